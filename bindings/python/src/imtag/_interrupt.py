"""Lets Python look at signals while a call of the main thread waits in the library.

The library asks a callback every 100 ms whether to go on. That Python code runs in it is enough: the interpreter runs
the handlers of signals that have come, and what one raises (KeyboardInterrupt, most often) comes up in the callback.
From there it must not escape, as ctypes would print it and drop it: it is kept, the call is told to end, and whoever
made the call raises it.

The callback is no function but a generator's ``send``: a function may be hit by the exception before it has entered its
``try``, whereas a generator is resumed inside of it.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from types import GeneratorType
from typing import cast

from ._prototypes import INTERRUPT


class Interrupt:
    """The callback, for one call at a time, and what a signal's handler raised in it."""

    __slots__ = ("_answers", "_raised", "callback")

    def __init__(self) -> None:
        self._raised: list[BaseException] = []
        self._answers = cast("GeneratorType[int, None, None]", _answers(self._raised))
        self._answers.send(None)
        self.callback = INTERRUPT(self._answers.send)

    def take_raised(self) -> BaseException | None:
        """Return what the call is to end with. It is not kept: the garbage collector cannot look through ctypes."""
        return self._raised.pop() if self._raised else None

    @property
    def usable(self) -> bool:
        """Whether another call can have it. Signals that come within microseconds can end the generator."""
        return self._answers.gi_frame is not None and not self._raised


def _answers(raised: list[BaseException]) -> Generator[int, None, None]:
    while True:
        try:
            while not raised:
                yield 0
            yield 1
        except GeneratorExit:
            raise
        except BaseException as exception:
            raised += (exception,)


# Those that no call uses. Only the main thread takes and puts back, but a call may be made by a signal's handler in the
# middle of another one. What is in use when a process forks stays with the parent's call.
_free: list[Interrupt] = []


def on_main_thread() -> bool:
    """Whether the caller is the thread on which Python handles signals."""
    return threading.current_thread() is threading.main_thread()


def take_interrupt() -> Interrupt | None:
    """Return one for a call on this thread; None on any but the main thread, where Python handles no signal."""
    if not on_main_thread():
        return None
    try:
        return _free.pop()
    except IndexError:
        return Interrupt()


def put_back(interrupt: Interrupt) -> None:
    """Keep it for the next call."""
    if interrupt.usable:
        _free.append(interrupt)
