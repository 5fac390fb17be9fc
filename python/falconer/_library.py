"""libfalconer.so: where it is, and the types of include/falconer/c.h."""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_void_p
from typing import Any, Dict, Iterator, List, Mapping, Tuple

NAME = "libfalconer.so"
VERSION = "0.1"  # of the interface: the end of the installed library's name


class Error(Exception):
    """Wrong input: a setting, a file, a row. The message names the thing, what was expected, what was found and
    what to do next."""


class Setting(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("value", c_char_p)]


class Ids(ctypes.Structure):
    _fields_ = [("ids", POINTER(c_int32)), ("count", c_size_t)]


class Step(ctypes.Structure):
    _fields_ = [
        ("step", c_int64),
        ("total_steps", c_int64),
        ("loss", c_double),
        ("lr", c_double),
        ("grad_norm", c_double),
        ("tokens", c_int64),
        ("tokens_per_second", c_double),
        ("seconds", c_double),
        ("eval_loss", c_double),
    ]


OnStep = ctypes.CFUNCTYPE(c_int, POINTER(Step), c_void_p)
OnText = ctypes.CFUNCTYPE(c_int, c_size_t, POINTER(ctypes.c_char), c_size_t, c_void_p)


class Run(ctypes.Structure):
    _fields_ = [
        ("rows", c_char_p),
        ("rows_size", c_size_t),
        ("on_step", OnStep),
        ("context", c_void_p),
        ("cancel", c_void_p),
        ("verbosity", c_char_p),
    ]


class Report(ctypes.Structure):
    _fields_ = [
        ("steps", c_int64),
        ("tokens", c_int64),
        ("trainable", c_int64),
        ("last_loss", c_double),
        ("seconds", c_double),
        ("peak_rss_bytes", c_int64),
        ("interrupted", c_int),
        ("was_finished", c_int),
        ("final_folder", c_char_p),
        ("json", c_char_p),
    ]


class Completion(ctypes.Structure):
    _fields_ = [
        ("prompt", Ids),
        ("answer", Ids),
        ("text", c_void_p),
        ("text_size", c_size_t),
        ("finish_reason", c_char_p),
        ("prefill_tokens_per_second", c_double),
        ("decode_tokens_per_second", c_double),
    ]


class Completions(ctypes.Structure):
    _fields_ = [("items", POINTER(Completion)), ("count", c_size_t)]


# What functions return and take; those that return a status are called through call().
_STATUS = {
    "set_verbosity": [c_char_p],
    "set_threads": [c_int],
    "set_spelling": [c_char_p],
    "settings": [c_char_p, POINTER(c_void_p)],
    "cancel_new": [POINTER(c_void_p)],
    "finetune": [POINTER(Setting), c_size_t, POINTER(Run), POINTER(POINTER(Report))],
    "plan": [POINTER(Setting), c_size_t, POINTER(Run), POINTER(c_void_p)],
    "model_open": [POINTER(Setting), c_size_t, POINTER(c_void_p)],
    "model_encode": [c_void_p, c_char_p, c_char_p, c_int, POINTER(POINTER(Ids))],
    "model_encode_chat": [c_void_p, c_char_p, POINTER(POINTER(Ids))],
    "model_decode": [c_void_p, POINTER(c_int32), c_size_t, POINTER(c_void_p), POINTER(c_size_t)],
    "model_generate": [
        c_void_p,
        POINTER(Ids),
        c_size_t,
        POINTER(Setting),
        c_size_t,
        OnText,
        c_void_p,
        c_void_p,
        POINTER(POINTER(Completions)),
    ],
    "model_logits": [c_void_p, POINTER(c_int32), c_size_t, POINTER(c_float)],
    "model_hidden_states": [c_void_p, POINTER(c_int32), c_size_t, POINTER(c_float)],
    "model_load_adapter": [c_void_p, c_char_p, c_char_p],
    "model_set_adapter": [c_void_p, c_char_p],
    "model_unload_adapter": [c_void_p, c_char_p],
    "model_adapters": [c_void_p, POINTER(c_void_p)],
}
_OTHERS: Dict[str, Tuple[Any, List[Any]]] = {
    "last_error": (c_char_p, []),
    "version": (c_char_p, []),
    "text_free": (None, [c_void_p]),
    "cancel_request": (None, [c_void_p]),
    "cancel_requested": (c_int, [c_void_p]),
    "cancel_free": (None, [c_void_p]),
    "report_free": (None, [POINTER(Report)]),
    "model_free": (None, [c_void_p]),
    "model_context": (c_int64, [c_void_p]),
    "model_vocab": (c_int64, [c_void_p]),
    "model_layers": (c_int64, [c_void_p]),
    "model_width": (c_int64, [c_void_p]),
    "model_prompt_style": (c_char_p, [c_void_p]),
    "model_adapter": (c_char_p, [c_void_p]),
    "ids_free": (None, [POINTER(Ids)]),
    "completions_free": (None, [POINTER(Completions)]),
}


def _places() -> Iterator[str]:
    """Where the library may be: in a wheel beside this file, in a checkout where it was built, or wherever the
    system looks."""
    package = pathlib.Path(__file__).resolve().parent
    yield from map(str, sorted((package / "lib").glob(NAME + "*")))
    built = package.parents[1] / "build" / NAME
    if built.exists():
        yield str(built)
    yield f"{NAME}.{VERSION}"


def _load() -> ctypes.CDLL:
    named = os.environ.get("FALCONER_LIBRARY")
    reasons = []
    for place in [named] if named else _places():
        try:
            return ctypes.CDLL(place)
        except OSError as error:
            reasons.append(f"  {place}: {error}")
    raise ImportError(
        "falconer: its library could not be loaded; install the wheel, build it (docs/library.md), "
        "or name it with FALCONER_LIBRARY\n" + "\n".join(reasons)
    )


_library = _load()
for _name, _arguments in _STATUS.items():
    _function = getattr(_library, "falconer_" + _name)
    _function.restype, _function.argtypes = c_int, _arguments
for _name, (_result, _arguments) in _OTHERS.items():
    _function = getattr(_library, "falconer_" + _name)
    _function.restype, _function.argtypes = _result, _arguments


def plain(name: str, *arguments: Any) -> Any:
    """A function that cannot fail."""
    return getattr(_library, "falconer_" + name)(*arguments)


def call(name: str, *arguments: Any) -> None:
    """One that returns a status. Raises Error."""
    if getattr(_library, "falconer_" + name)(*arguments) != 0:
        raise Error(_library.falconer_last_error().decode("utf-8", "replace"))


def taken_text(text: c_void_p, size: int = -1) -> str:
    """A text that was handed out, which is freed; of `size` bytes, where it may hold characters 0."""
    try:
        return ctypes.string_at(text.value or 0, size).decode("utf-8", "replace")
    finally:
        plain("text_free", text)


def list_of_ids(ids: Ids) -> List[int]:
    return list(ids.ids[: ids.count])


_listed: Dict[str, List[Dict[str, Any]]] = {}


def settings_of(what: str) -> List[Dict[str, Any]]:
    if what not in _listed:
        text = c_void_p()
        call("settings", what.encode(), ctypes.byref(text))
        _listed[what] = json.loads(taken_text(text))
    return _listed[what]


def _text_of(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if hasattr(value, "item"):  # a number of numpy's
        return _text_of(name, value.item())
    raise Error(f"{name} is {value!r}, a {type(value).__name__}; expected a text, a number or a list of them")


# Settings that are pairs may be dictionaries: columns={"instruction": "question"}, logit_bias={15: -2.0}.
_BETWEEN = {"columns": "=", "logit_bias": ":"}


def settings(what: str, values: Dict[str, Any]) -> Tuple[Any, int]:
    """Keyword arguments as an array of settings, and their number; None is as if it were not given."""
    repeated = {
        setting["name"] for setting in settings_of(what) if setting["type"] == "list" and not setting.get("commas")
    }
    pairs: List[Tuple[str, str]] = []
    for name, value in values.items():
        if value is None:
            continue
        between = _BETWEEN.get(name)
        if between and isinstance(value, Mapping):
            value = [f"{key}{between}{_text_of(name, each)}" for key, each in value.items()]
        if not isinstance(value, (list, tuple)):
            pairs.append((name, _text_of(name, value)))
        elif name.replace("_", "-") in repeated:
            pairs += [(name, _text_of(name, item)) for item in value]
        else:
            pairs.append((name, ",".join(_text_of(name, item) for item in value)))
    array = (Setting * max(1, len(pairs)))()
    for i, (name, text) in enumerate(pairs):
        if "\0" in name + text:
            raise Error(f"{name}: holds a character 0")
        array[i].name, array[i].value = name.encode(), text.encode()
    return array, len(pairs)
