"""Options of one call: time limits, a cancel, and on the main thread a check for signals.

No Python lock is held while a call runs, so that a fork during a call leaves none locked.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ._interrupt import Interrupt, put_back, take_interrupt
from ._library import lib
from ._prototypes import FOREVER_MS


class Cancel:
    """Ends calls early: ``client.add_tag(users, cancel=cancel)``, and from any thread ``cancel.cancel()``.

    It may serve any number of calls, also at the same time. Once cancelled it stays cancelled: a later call ends before
    anything is sent. The calls raise ``imtag.Cancelled``.
    """

    __slots__ = ("_calls", "_cancelled")

    def __init__(self) -> None:
        self._cancelled = False
        self._calls: dict[int, Call] = {}

    @property
    def cancelled(self) -> bool:
        """Whether ``cancel`` has been called."""
        return self._cancelled

    def cancel(self) -> None:
        """End all calls that have this ``Cancel``, now and later. Any thread, any number of times."""
        self._cancelled = True
        for call in self._calls.copy().values():  # copying is atomic, whatever other threads do
            lib.im_call_cancel(call.pointer)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an imtag.Cancel cannot be copied or pickled: its calls are those of this process")

    def __repr__(self) -> str:
        return f"<imtag.Cancel {'cancelled' if self._cancelled else 'not cancelled'}>"


class Call:
    """An im_call, freed when neither its call nor a Cancel refers to it."""

    __slots__ = ("_cancel", "_interrupt", "pointer")

    def __init__(self, timeout: float | None, attempt_timeout: float | None, cancel: Cancel | None) -> None:
        self.pointer: Any = None
        self._interrupt: Interrupt | None = None
        self._cancel = cancel
        times = milliseconds(timeout, "timeout"), milliseconds(attempt_timeout, "attempt_timeout")
        self.pointer = lib.im_call_new()
        if times[0] is not None:
            lib.im_call_set_timeout_ms(self.pointer, times[0])
        if times[1] is not None:
            lib.im_call_set_attempt_timeout_ms(self.pointer, times[1])
        if cancel is not None and not isinstance(cancel, Cancel):
            raise TypeError(f"cancel: {type(cancel).__name__}, expected imtag.Cancel")

    def __enter__(self) -> Call:
        self._interrupt = take_interrupt()
        if self._interrupt is not None:
            lib.im_call_set_interrupt(self.pointer, self._interrupt.callback, None)
        if self._cancel is not None:
            self._cancel._calls[id(self)] = self
            if self._cancel.cancelled:  # checked after the call is registered, so that no cancel is missed
                lib.im_call_cancel(self.pointer)
        return self

    def __exit__(self, *_: object) -> None:
        if self._cancel is not None:
            self._cancel._calls.pop(id(self), None)
        if self._interrupt is not None:
            put_back(self._interrupt)

    def take_raised(self) -> BaseException | None:
        """Return what a signal handler raised during the call."""
        return None if self._interrupt is None else self._interrupt.take_raised()

    def __del__(self, free: Any = lib.im_call_free) -> None:
        if self.pointer:
            free(self.pointer)


def milliseconds(seconds: float | None, name: str) -> int | None:
    """Seconds as milliseconds; None stays None. A time above 0 does not become 0."""
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        hint = ": write .total_seconds()" if hasattr(seconds, "total_seconds") else ""
        raise TypeError(f"{name}: {type(seconds).__name__}, expected seconds as int or float{hint}")
    if not seconds >= 0:  # also NaN
        raise ValueError(f"{name}: {seconds}, expected seconds, 0 or more")
    if seconds >= FOREVER_MS // 1000:
        return FOREVER_MS
    return round(seconds * 1000) or (1 if seconds > 0 else 0)
