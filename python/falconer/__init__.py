"""Falconer: finetune Falcon models, and use the result.

    import falconer

    report = falconer.finetune("lora", checkpoint="tiiuae/falcon-7b", out="run",
                               data=[{"instruction": "Say hello.", "output": "Hello!"}])
    with falconer.Model("tiiuae/falcon-7b", adapter=report.final_folder) as model:
        print(model.generate("Say hello.").text)

Settings are keyword arguments with the names of the command line's flags, "_" for "-": ``lora_r=8``.
``falconer.settings()`` lists them. Wrong input raises ``falconer.Error``, in the same words.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import math
import operator
import os
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Union

from . import _library
from ._interrupts import Cancel, Guard
from ._library import Error, call, plain

__all__ = [
    "Cancel",
    "Completion",
    "Error",
    "Model",
    "Report",
    "Step",
    "finetune",
    "plan",
    "set_threads",
    "set_verbosity",
    "settings",
    "version",
]

Path = Union[str, "os.PathLike[str]"]


def version() -> str:
    """ "0.1.0" """
    return str(plain("version").decode())


__version__ = version()


def set_verbosity(level: str) -> None:
    """Of the log on stderr: "quiet", "warning" (when the module is imported), "info" or "debug"."""
    call("set_verbosity", level.encode())


def set_threads(threads: int) -> None:
    """Threads to compute with; 0: OMP_NUM_THREADS, else all cores that the process may use."""
    call("set_threads", threads)


def settings(of: str = "finetune") -> List[Dict[str, Any]]:
    """What there is to set, with type, default, help and what it may be: "finetune", "model" (open) or
    "sampling" (generate)."""
    return [dict(setting) for setting in _library.settings_of(of)]


@dataclass(frozen=True)
class Step:
    """One step of a run; step 0 is an evaluation before the first, whose other numbers are NaN."""

    step: int
    total_steps: int
    loss: float  # mean over the step's labelled tokens, before its update
    lr: float
    grad_norm: float
    tokens: int
    tokens_per_second: float
    seconds: float
    eval_loss: Optional[float]  # of the held-out rows, where they were evaluated behind this step


@dataclass(frozen=True)
class Report:
    """What came of a run."""

    steps: int
    tokens: int
    trainable: int
    last_loss: float
    seconds: float
    peak_rss_bytes: int
    interrupted: bool  # it was told to stop, and saved
    was_finished: bool  # with resume: it had come to its end before
    final_folder: str  # of what was trained; "" where the run did not come to its end
    json: Dict[str, Any] = field(repr=False)  # all of it and the settings, as falconer finetune --json


@dataclass(frozen=True)
class Completion:
    """An answer."""

    text: str
    ids: List[int]
    prompt_ids: List[int]
    finish_reason: str  # "stop", "length" or "cancelled"
    prefill_tokens_per_second: float
    decode_tokens_per_second: float

    def __str__(self) -> str:
        return self.text


def _rows_text(rows: Iterable[Mapping[str, Any]]) -> bytes:
    if isinstance(rows, Mapping) or not isinstance(rows, Iterable):
        raise Error(
            f"data is a {type(rows).__name__}; expected a path, a name on the hub or a list of rows, each a dictionary"
        )
    texts = []
    for number, row in enumerate(rows, 1):
        try:
            texts.append(json.dumps(row, allow_nan=False).encode())
        except (TypeError, ValueError) as error:
            raise Error(f"rows in memory: row {number}: {error}") from None
    return b"[" + b",".join(texts) + b"]"  # in one line: errors count rows then


def _step_of(step: _library.Step) -> Step:
    values = {name: getattr(step, name) for name in (each[0] for each in _library.Step._fields_)}
    if math.isnan(values["eval_loss"]):
        values["eval_loss"] = None
    return Step(**values)


def finetune(
    method: str = "lora",
    *,
    checkpoint: Path,
    data: Union[Path, Iterable[Mapping[str, Any]]],
    out: Path,
    on_step: Optional[Callable[[Step], Any]] = None,
    cancel: Optional[Cancel] = None,
    verbosity: Optional[str] = None,
    **settings: Any,
) -> Report:
    """Trains with "lora", "adapter", "adapter-v2" or "full" and writes the result to ``out``.

    ``data`` is a path (or a name on the hub), or rows: dictionaries as a file of rows would have them.
    ``on_step`` is called after each step, in this thread. Ctrl-C, an exception that it raises and
    ``cancel.request()`` let the run save after the step; the first two are raised then, and
    ``resume="auto"`` goes on. ``verbosity`` is that of this run's log. Other arguments are settings: ``falconer.settings()``.
    """
    run = _library.Run()
    array, count = _settings_of_run(run, method, checkpoint, data, out, settings)
    guard = Guard(cancel)

    def step(report: Any, _: Any) -> int:
        return guard.run(lambda: on_step(_step_of(report.contents)) if on_step else None)

    run.on_step = _library.OnStep(step)
    run.cancel = guard.cancel._handle
    run.verbosity = verbosity.encode() if verbosity is not None else None
    made = ctypes.POINTER(_library.Report)()
    with guard:
        call("finetune", array, count, ctypes.byref(run), ctypes.byref(made))
    try:
        guard.raise_kept()
        found = made.contents
        return Report(
            steps=found.steps,
            tokens=found.tokens,
            trainable=found.trainable,
            last_loss=found.last_loss,
            seconds=found.seconds,
            peak_rss_bytes=found.peak_rss_bytes,
            interrupted=bool(found.interrupted),
            was_finished=bool(found.was_finished),
            final_folder=found.final_folder.decode(),
            json=json.loads(found.json),
        )
    finally:
        plain("report_free", made)


def plan(
    method: str = "lora",
    *,
    checkpoint: Path,
    data: Union[Path, Iterable[Mapping[str, Any]]],
    out: Path,
    **settings: Any,
) -> Dict[str, Any]:
    """What a run would be and need, as falconer finetune --dry-run --json says it. Checks all that finetune()
    checks before its first step; trains and writes nothing."""
    run, text = _library.Run(), ctypes.c_void_p()
    array, count = _settings_of_run(run, method, checkpoint, data, out, settings)
    call("plan", array, count, ctypes.byref(run), ctypes.byref(text))
    found: Dict[str, Any] = json.loads(_library.taken_text(text))
    return found


def _settings_of_run(
    run: _library.Run,
    method: str,
    checkpoint: Path,
    data: Union[Path, Iterable[Mapping[str, Any]]],
    out: Path,
    settings: Dict[str, Any],
) -> Any:
    values: Dict[str, Any] = {"method": method, "checkpoint": checkpoint, "out": out}
    if isinstance(data, (str, os.PathLike)):
        values["data"] = data
    else:
        rows = _rows_text(data)
        run.rows, run.rows_size = rows, len(rows)
    return _library.settings("finetune", {**values, **settings})


class Model:
    """A checkpoint, with an adapter on it where one is named, ready to answer. One thread uses it at a time:
    others wait."""

    def __init__(self, checkpoint: Path, adapter: Optional[Path] = None, **settings: Any) -> None:
        self._handle = ctypes.c_void_p()
        self._lock = threading.Lock()
        self._user: Optional[int] = None
        values = {"checkpoint": checkpoint, "adapter": adapter, **settings}
        array, count = _library.settings("model", values)
        call("model_open", array, count, ctypes.byref(self._handle))

    def close(self) -> None:
        """Gives its memory back."""
        with self._used(closing=True):
            plain("model_free", self._handle)
            self._handle = ctypes.c_void_p()

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            plain("model_free", self._handle)

    def _used(self, closing: bool = False) -> "_Use":
        return _Use(self, closing)

    @property
    def context(self) -> int:
        """Tokens that a prompt and its answer may have together."""
        return int(plain("model_context", self._handle))

    @property
    def vocab(self) -> int:
        """Tokens that there are."""
        return int(plain("model_vocab", self._handle))

    @property
    def layers(self) -> int:
        """Blocks of the decoder."""
        return int(plain("model_layers", self._handle))

    @property
    def width(self) -> int:
        """Numbers of a hidden state."""
        return int(plain("model_width", self._handle))

    @property
    def prompt_style(self) -> str:
        """ "alpaca", "chat", ...; "" where there is none."""
        return str(plain("model_prompt_style", self._handle).decode())

    def encode(self, instruction: str, input: str = "", *, raw: bool = False) -> List[int]:
        """The ids of an instruction in the model's prompt style; of the text as it is where ``raw``."""
        if "\0" in instruction + input:
            raise Error("the prompt holds a character 0, with which a text ends here; leave it out")
        return self._encoded("model_encode", instruction.encode(), input.encode(), int(raw))

    def encode_chat(self, messages: Sequence[Mapping[str, Any]], tools: Optional[List[Any]] = None) -> List[int]:
        """The ids of messages {"role", "content"} that an answer is to follow."""
        chat: Dict[str, Any] = {"messages": list(messages)}
        if tools:
            chat["tools"] = tools
        return self._encoded("model_encode_chat", json.dumps(chat).encode())

    def _encoded(self, function: str, *arguments: Any) -> List[int]:
        ids = ctypes.POINTER(_library.Ids)()
        with self._used():
            call(function, self._handle, *arguments, ctypes.byref(ids))
        try:
            return _library.list_of_ids(ids.contents)
        finally:
            plain("ids_free", ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of an answer's ids."""
        text, size = ctypes.c_void_p(), ctypes.c_size_t()
        with self._used():
            call("model_decode", self._handle, _array(ids), len(ids), ctypes.byref(text), ctypes.byref(size))
        return _library.taken_text(text, size.value)

    def generate(
        self,
        prompt: Union[str, Sequence[int]],
        input: str = "",
        *,
        raw: bool = False,
        on_text: Optional[Callable[[str], Any]] = None,
        cancel: Optional[Cancel] = None,
        **sampling: Any,
    ) -> Completion:
        """Answers a prompt: an instruction with its input, or token ids. ``on_text`` is called with new text.
        ``max_new_tokens=``, ``temperature=``, ``seed=``, ...: ``falconer.settings("sampling")``."""
        ids = self.encode(prompt, input, raw=raw) if isinstance(prompt, str) else prompt
        told = None if on_text is None else lambda _, text: on_text(text)
        if str(sampling.get("num_return_sequences", 1)) != "1":
            raise Error("generate() gives one answer; generate_all([prompt], num_return_sequences=...) gives several")
        return self.generate_all([ids], on_text=told, cancel=cancel, **sampling)[0]

    def chat(self, messages: Sequence[Mapping[str, Any]], tools: Optional[List[Any]] = None, **options: Any) -> Completion:
        """The answer to messages {"role", "content"}; options as of generate()."""
        return self.generate(self.encode_chat(messages, tools), **options)

    def generate_all(
        self,
        prompts: Sequence[Union[str, Sequence[int]]],
        *,
        raw: bool = False,
        on_text: Optional[Callable[[int, str], Any]] = None,
        cancel: Optional[Cancel] = None,
        **sampling: Any,
    ) -> List[Completion]:
        """Answers several prompts together, which is faster; each gets the answer that it would get alone.
        ``on_text`` is called with a prompt's number and new text."""
        all_ids = [self.encode(one, raw=raw) if isinstance(one, str) else one for one in prompts]
        arrays = [_array(ids) for ids in all_ids]  # which live as long as the call
        given = (_library.Ids * max(1, len(arrays)))()
        for i, ids in enumerate(arrays):
            given[i].ids, given[i].count = ids, len(all_ids[i])
        array, count = _library.settings("sampling", sampling)
        guard = Guard(cancel)

        def text(prompt: int, said: Any, size: int, _: Any) -> int:
            return guard.run(lambda: on_text(prompt, _decoded(said, size)) if on_text else None)

        told, made = _library.OnText(text), ctypes.POINTER(_library.Completions)()
        with self._used(), guard:
            call(
                "model_generate", self._handle, given, len(arrays), array, count, told, None,
                guard.cancel._handle, ctypes.byref(made),
            )  # fmt: skip
        try:
            guard.raise_kept()
            return [_completion_of(made.contents.items[i]) for i in range(made.contents.count)]
        finally:
            plain("completions_free", made)

    def logits(self, ids: Sequence[int]) -> Any:
        """len(ids) x vocab numbers; row i is about the token behind ids[0..i]. A numpy array of float32, or
        where there is no numpy a list of lists."""
        return self._numbers("model_logits", ids, (len(ids), self.vocab))

    def hidden_states(self, ids: Sequence[int]) -> Any:
        """(layers + 1) x len(ids) x width numbers, as output_hidden_states of transformers: the embedding, what
        each block but the last gives, and what is behind the last norm, where the head begins. A numpy array of
        float32, or where there is no numpy a list of lists of lists."""
        return self._numbers("model_hidden_states", ids, (self.layers + 1, len(ids), self.width))

    def _numbers(self, function: str, ids: Sequence[int], shape: Sequence[int]) -> Any:
        """What the function fills with numbers about ids."""
        try:
            numpy: Any = importlib.import_module("numpy")
        except ImportError:
            numpy = None
        if numpy is not None:
            made = numpy.empty(shape, numpy.float32)
            room = made.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        else:
            room = (ctypes.c_float * max(1, math.prod(shape)))()
        with self._used():
            call(function, self._handle, _array(ids), len(ids), room)
        return made if numpy is not None else _nested(room, 0, shape)

    def load_adapter(self, name: str, adapter: Path) -> None:
        """Reads another adapter under a name of yours; the base is not read again. It is used after
        set_adapter(), or in ``with model.using(name)``. That of the constructor is named "default"."""
        self._adapter("model_load_adapter", name, os.fspath(adapter))

    def set_adapter(self, name: Optional[str]) -> None:
        """Answers, logits and the prompt style are those of this adapter from now on; None: of the base alone."""
        self._adapter("model_set_adapter", name or "")

    def unload_adapter(self, name: str) -> None:
        """Gives its memory back. Where it was in use, the base alone is."""
        self._adapter("model_unload_adapter", name)

    def _adapter(self, function: str, *texts: str) -> None:
        if any("\0" in text for text in texts):
            raise Error("an adapter's name or path holds a character 0")
        with self._used():
            call(function, self._handle, *(text.encode() for text in texts))

    @property
    def adapters(self) -> List[str]:
        """The names of those that are loaded."""
        text = ctypes.c_void_p()
        with self._used():
            call("model_adapters", self._handle, ctypes.byref(text))
        return list(json.loads(_library.taken_text(text)))

    @property
    def adapter(self) -> Optional[str]:
        """The name of the one in use; None: the base alone."""
        return str(plain("model_adapter", self._handle).decode()) or None

    @contextlib.contextmanager
    def using(self, name: Optional[str]) -> Iterator["Model"]:
        """Inside of ``with model.using("owl"):`` this adapter is used, and behind it what was used before. None:
        the base alone. Other threads that use the model use that adapter, too."""
        before = self.adapter
        self.set_adapter(name)
        try:
            yield self
        finally:
            if before is None or before in self.adapters:
                self.set_adapter(before)


def _nested(numbers: Any, begin: int, shape: Sequence[int]) -> List[Any]:
    """Numbers from ``begin`` on as lists in lists."""
    if len(shape) == 1:
        return list(numbers[begin : begin + shape[0]])
    size = math.prod(shape[1:])
    return [_nested(numbers, begin + i * size, shape[1:]) for i in range(shape[0])]


class _Use:
    """A model that a thread uses; others wait. A callback of a model cannot use it again."""

    def __init__(self, model: Model, closing: bool) -> None:
        self._model, self._closing = model, closing

    def __enter__(self) -> None:
        model, me = self._model, threading.get_ident()
        if model._user == me:
            raise Error("the model is at work: what it calls cannot use it")
        model._lock.acquire()
        if not model._handle and not self._closing:
            model._lock.release()
            raise Error("the model is closed; open another")
        model._user = me

    def __exit__(self, *_: Any) -> None:
        self._model._user = None
        self._model._lock.release()


def _array(ids: Sequence[int]) -> Any:
    if isinstance(ids, (str, bytes)):
        raise Error("token ids are expected, and there is a text; encode() makes ids of it")
    whole = []
    for id_ in ids:
        try:
            whole.append(operator.index(id_))
        except TypeError:
            raise Error(f"there is a token {id_!r}, which is no id") from None
        if isinstance(id_, bool) or not -(2**31) <= whole[-1] < 2**31:
            raise Error(f"there is a token {id_!r}, which is no id")
    return (ctypes.c_int32 * max(1, len(whole)))(*whole)


def _decoded(text: Any, size: int) -> str:
    return ctypes.string_at(text, size).decode("utf-8", "replace")


def _completion_of(found: _library.Completion) -> Completion:
    return Completion(
        text=_decoded(found.text, found.text_size),
        ids=_library.list_of_ids(found.answer),
        prompt_ids=_library.list_of_ids(found.prompt),
        finish_reason=found.finish_reason.decode(),
        prefill_tokens_per_second=found.prefill_tokens_per_second,
        decode_tokens_per_second=found.decode_tokens_per_second,
    )


call("set_spelling", b"python")
set_verbosity("warning")
