"""Ends calls that may ask a credential callback before the interpreter does, and bulk runs and batchers.

A thread that comes back to Python after that is ended where it stands, which aborts the process if the library is on
its stack. So no such call is left when the interpreter ends, and none begins any more. The threads of bulk runs and
batchers ask callbacks too: runs are cancelled, and what batchers hold is sent, as far as the time allows.
"""

from __future__ import annotations

import atexit
import os
import time
import weakref
from typing import Protocol

from ._call import Call
from ._library import lib

_LONGEST_WAIT = 5.0  # seconds, for callbacks that are under way


class Endable(Protocol):
    """A handle with threads of its own."""

    def end(self, until: float) -> None:
        """End it, by that reading of time.monotonic."""


_open: dict[int, weakref.ref[Endable]] = {}
_running: dict[int, Call] = {}
_over: list[bool] = []


def begin(call: Call) -> bool:
    """Note that a call runs; False if none may begin any more."""
    _running[id(call)] = call
    return not _over  # looked at after the call is known: it is waited for, or it does not begin


def end(call: Call) -> None:
    """Note that a call, begun or refused, is over."""
    _running.pop(id(call), None)


def know(handle: Endable) -> None:
    """Note a handle that is to be ended; its ``__del__`` forgets it."""
    if not _over:
        _open[id(handle)] = weakref.ref(handle)


# What these need is bound, as the names of a module may be gone when the last things are deleted.


def forget(handle: Endable, known: dict[int, weakref.ref[Endable]] = _open) -> bool:
    """Say whether it was known: False for one of a parent process, and for all once the interpreter ends."""
    return known.pop(id(handle), None) is not None


def is_over(over: list[bool] = _over) -> bool:
    """Whether the interpreter ends."""
    return bool(over)


def end_all() -> None:
    """End everything, as the interpreter ends."""
    _over.append(True)
    until = time.monotonic() + _LONGEST_WAIT
    for open_handle in _open.copy().values():
        handle = open_handle()
        if handle is not None:
            handle.end(until)
    _open.clear()
    while _running and time.monotonic() < until:
        for call in _running.copy().values():  # a copy is made at once, whatever other threads do
            lib.im_call_cancel(call.pointer)
        time.sleep(0.005)


atexit.register(end_all)
# a child has none of its parent's other threads, and waits for none of their calls
os.register_at_fork(after_in_child=_running.clear)
os.register_at_fork(after_in_child=_open.clear)
