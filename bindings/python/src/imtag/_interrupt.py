"""Lets Python handle signals while a call of the main thread waits in the library.

The library calls a callback every 100 ms to see if the call should go on. When Python code runs in it, the interpreter
runs the handlers of pending signals, and what a handler raises (usually KeyboardInterrupt) is raised in the callback.
It must not escape, as ctypes would print and drop it: it is kept, the call is cancelled, and the caller's thread raises
it.

The callback is a generator's ``send``, not a function: in a function the exception may be raised before its ``try``,
whereas a generator resumes inside of it.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from types import GeneratorType
from typing import cast

from ._prototypes import INTERRUPT


class Interrupt:
    """The callback, for one call at a time, and what a signal handler raised in it."""

    __slots__ = ("_loop", "_raised", "callback")

    def __init__(self) -> None:
        self._raised: list[BaseException] = []
        self._loop = cast("GeneratorType[int, None, None]", _callback_loop(self._raised))
        self._loop.send(None)
        self.callback = INTERRUPT(self._loop.send)

    def take_raised(self) -> BaseException | None:
        """Return what the call must raise, and keep it no longer: the garbage collector does not see ctypes."""
        return self._raised.pop() if self._raised else None

    @property
    def usable(self) -> bool:
        """Whether another call can use it. Signals within microseconds of each other can end the generator."""
        return self._loop.gi_frame is not None and not self._raised


def _callback_loop(raised: list[BaseException]) -> Generator[int, None, None]:
    while True:
        try:
            while not raised:
                yield 0
            yield 1
        except GeneratorExit:
            raise
        except BaseException as exception:
            raised += (exception,)


# Interrupts that no call uses. Only the main thread takes and returns them, but a signal handler may make a call during
# another. After a fork, those in use stay with the parent's calls.
_free: list[Interrupt] = []


def on_main_thread() -> bool:
    """Whether the caller is the thread on which Python handles signals."""
    return threading.current_thread() is threading.main_thread()


def take_interrupt() -> Interrupt | None:
    """Return one for a call on this thread; None unless it is the main thread, as Python handles signals only there."""
    if not on_main_thread():
        return None
    try:
        return _free.pop()
    except IndexError:
        return Interrupt()


def put_back(interrupt: Interrupt) -> None:
    """Keep it for a later call."""
    if interrupt.usable:
        _free.append(interrupt)
