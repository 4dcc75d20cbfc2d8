"""Ends calls that may call a credential callback, bulk runs and batchers, before the interpreter ends.

After its end, a thread that returns to Python is stopped at once, which aborts the process if the library is on its
stack. So no such call may run when the interpreter ends, and none may start. The threads of bulk runs and batchers call
callbacks too: runs are cancelled, and changes of batchers are sent, as far as the time allows. Logs end last, so
that all of this is in them.
"""

from __future__ import annotations

import atexit
import os
import time
import weakref
from typing import Protocol

from ._call import Call
from ._library import lib

_LONGEST_WAIT = 5.0  # seconds, for callbacks that run
_LAST_WAIT = 1.0  # seconds, for records of logs, if the others took that long


class Endable(Protocol):
    """A handle that starts threads."""

    def end(self, until: float) -> None:
        """End it, before that time of time.monotonic()."""


_open: dict[int, weakref.ref[Endable]] = {}
_running: dict[int, Call] = {}
_logs: dict[int, Endable] = {}
_over: list[bool] = []


def begin(call: Call) -> bool:
    """Register a call that runs; False if none may start any more."""
    _running[id(call)] = call
    return not _over  # checked after the call is registered: end_all() waits for it, or it does not start


def end(call: Call) -> None:
    """Unregister a call, started or refused."""
    _running.pop(id(call), None)


def register(handle: Endable) -> None:
    """Register a handle for end_all(); its ``__del__`` unregisters it."""
    if not _over:
        _open[id(handle)] = weakref.ref(handle)


def register_log(log: Endable) -> None:
    """Register a log for end_all(), and keep it."""
    _logs[id(log)] = log


def unregister_log(log: Endable) -> None:
    """Keep it no longer."""
    _logs.pop(id(log), None)


def logs() -> list[Endable]:
    """Return all logs that are open."""
    return list(_logs.copy().values())  # copying is atomic, whatever other threads do


# Arguments hold what these need, as the names of a module may be gone when the last objects are deleted.


def unregister(handle: Endable, registered: dict[int, weakref.ref[Endable]] = _open) -> bool:
    """Return whether it was registered: False in a forked child, and once the interpreter ends."""
    return registered.pop(id(handle), None) is not None


def is_over(over: list[bool] = _over) -> bool:
    """Whether the interpreter is ending."""
    return bool(over)


def end_all() -> None:
    """End everything, before the interpreter ends."""
    _over.append(True)
    until = time.monotonic() + _LONGEST_WAIT
    for open_handle in _open.copy().values():
        handle = open_handle()
        if handle is not None:
            handle.end(until)
    _open.clear()
    while _running and time.monotonic() < until:
        for call in _running.copy().values():  # copying is atomic, whatever other threads do
            lib.im_call_cancel(call.pointer)
        time.sleep(0.005)
    _end_logs(max(until, time.monotonic() + _LAST_WAIT))


def end_logs_unless_more_comes() -> None:
    """End logs, unless something is open that end_all() ends, which brings records."""
    if not _open and not _running:
        _end_logs(time.monotonic() + _LONGEST_WAIT)


def _end_logs(until: float) -> None:
    for log in logs():
        log.end(until)


atexit.register(end_all)
# a child has none of its parent's other threads, so it does not wait for their calls
os.register_at_fork(after_in_child=_running.clear)
os.register_at_fork(after_in_child=_open.clear)
os.register_at_fork(after_in_child=_logs.clear)
