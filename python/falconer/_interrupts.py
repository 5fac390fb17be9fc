"""Ctrl-C while the library computes: it is told to stop, and what Python would have raised is raised when it
has."""

from __future__ import annotations

import ctypes
import signal
import threading
from typing import Any, Callable, List, Optional, Tuple

from ._library import call, plain


class Cancel:
    """Tells a run or an answer to stop, from any thread: ``cancel.request()``. A run is saved first, and
    ``resume="auto"`` goes on with it."""

    def __init__(self) -> None:
        self._handle = ctypes.c_void_p()
        call("cancel_new", ctypes.byref(self._handle))

    def request(self) -> None:
        plain("cancel_request", self._handle)

    @property
    def requested(self) -> bool:
        return bool(plain("cancel_requested", self._handle))

    def __del__(self, free: Callable[..., Any] = plain) -> None:
        free("cancel_free", self._handle)


class Guard:
    """While it is entered, what a callback or a signal's handler raises is kept, and `cancel` is requested.
    raise_kept() raises it."""

    def __init__(self, cancel: Optional[Cancel]) -> None:
        self.cancel = cancel if cancel is not None else Cancel()
        self._kept: Optional[BaseException] = None
        self._before: List[Tuple[int, Any]] = []

    def run(self, work: Callable[..., Any], *arguments: Any) -> int:
        """What a callback does: 1 where it raises."""
        try:
            if self._kept is None:
                work(*arguments)
            return 0 if self._kept is None else 1
        except BaseException as error:  # whatever it is, it must not go through C
            self._keep(error)
            return 1

    def _keep(self, error: BaseException) -> None:
        if self._kept is None:
            self._kept = error
        self.cancel.request()

    def __enter__(self) -> "Guard":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handler = signal.getsignal(number)
                if callable(handler):
                    self._before.append((number, handler))
                    signal.signal(number, self._held(handler))
        return self

    def _held(self, handler: Callable[[int, Any], Any]) -> Callable[[int, Any], None]:
        def held(number: int, frame: Any) -> None:
            try:
                handler(number, frame)
            except BaseException as error:
                self._keep(error)

        return held

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)

    def raise_kept(self) -> None:
        if self._kept is not None:
            raise self._kept
