"""The handle of a batcher, the threads that wait for their changes, and the one that brings them their outcomes.

That one is started by the first change that is submitted, with one that completes futures. It waits in the library
without a time limit, and without the interpreter's lock, so it costs nothing where nothing comes. It runs no code of
callers, which could hold others up. It holds the handle, not the batcher, so that a batcher that nobody has any more is
noticed; it is then woken by a change that breaks the limits, which has its outcome at once.
"""

from __future__ import annotations

import ctypes
import threading
import time
import warnings
from collections import deque
from ctypes import c_void_p
from itertools import count
from typing import TYPE_CHECKING, Any

from . import _exit
from ._call import Call
from ._completions import read_completions
from ._credentials import Supplier
from ._errors import ChangeError
from ._futures import Callbacks, Given, Outcomes
from ._green import blocking
from ._library import lib
from ._options import Options
from ._prototypes import Str
from ._raise import exception_of

if TYPE_CHECKING:
    from concurrent.futures import Future

_AS_LONG_AS_IT_TAKES = 2**64 - 1
_UNTIL_THE_LINE_IS_LOOKED_AT = 100  # milliseconds
_IM_CANCELLED = 9
_WAKES = 0  # the number of the change that wakes the thread; the others are counted from 1


class Waiter:
    """A thread that waits for the outcome of its change.

    It waits for a lock of Python's, and not in the library, where all threads of a request would wake at once and
    fight for the interpreter's lock. Those whose outcomes are there wake one after the other: each that has woken
    wakes the next, whose way back to Python so falls into the work of the one before.
    """

    __slots__ = ("_line", "_lock", "_waits", "error", "left", "number", "over", "taken")

    def __init__(self, number: int, line: deque[Waiter]) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._lock.acquire()
        self._waits = True
        self.number = number
        self.over = False
        """Whether the outcome is there."""
        self.error: ChangeError | None = None
        self.taken = False
        self.left = False

    def wait(self, until: float | None) -> bool:
        """Wait for the outcome; False where it is not there by that reading of time.monotonic."""
        seconds = -1 if until is None else min(max(0, until - time.monotonic()), threading.TIMEOUT_MAX)
        return self._lock.acquire(timeout=seconds)

    def leave(self) -> None:
        """Wait no longer, for whatever reason, and wake the next, which may have no other that wakes it."""
        self._waits = False
        wake_first(self._line)

    def result(self) -> None:
        """Raise unless the change is done."""
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # or the exception, by its traceback, would keep itself

    def complete(self, error: ChangeError | None) -> None:
        """Put it into the line of those that may wake."""
        self.error = error
        self.over = True
        self._line.append(self)


def wake_first(line: deque[Waiter]) -> None:
    """Wake the first in the line that still waits."""
    while line:
        try:
            waiter = line.popleft()
        except IndexError:  # another thread has had the last
            return
        if waiter._waits:
            waiter._lock.release()
            return


class Submitted:
    """An im_batcher with its futures, freed when neither its Batcher, nor a call, nor the thread has it any more."""

    __slots__ = ("__weakref__", "_dropped", "_numbers", "_threads", "given", "line", "pointer", "supplier")

    def __init__(self, client: Any, options: Options, supplier: Supplier | None) -> None:
        self.pointer = c_void_p()
        self.supplier = supplier
        self.given: dict[int, Given | Waiter] = {}
        self.line: deque[Waiter] = deque()
        """Threads whose outcomes are there, and that have not woken."""
        self._numbers = count(_WAKES + 1)
        self._threads: dict[str, tuple[threading.Thread, threading.Thread]] = {}
        self._dropped = False
        error = c_void_p()
        status = lib.im_batcher_new(client, ctypes.byref(self.pointer), ctypes.byref(error))
        try:
            if status != 0:
                raise exception_of(status, error)
        finally:
            lib.im_error_free(error)
        options.set("im_batcher", self.pointer)
        _exit.know(self)

    def number(self) -> int:
        """Return a number for a change."""
        return next(self._numbers)

    def start(self) -> None:
        """Start the threads, if there are none. No lock is taken, as a fork would leave it taken."""
        if self._threads:
            return
        callbacks = Callbacks(self.given)
        completes = threading.Thread(target=callbacks.run, name="imtag-callbacks", daemon=True)
        polls = threading.Thread(target=_poll, args=(self, callbacks), name="imtag-batcher", daemon=True)
        threads = polls, completes
        if self._threads.setdefault("", threads) is threads:
            try:
                completes.start()
                polls.start()
            except RuntimeError:
                callbacks.put(None)
                self._threads.clear()
                raise

    @property
    def calls_back(self) -> bool:
        """Whether the caller is a callback of a future."""
        return any(threading.current_thread() is completes for _, completes in self._threads.copy().values())

    def join(self, seconds: float | None = None) -> None:
        """Wait until the futures of a batcher that is closed are completed, and have called back."""
        if self.calls_back:
            return
        until = None if seconds is None else time.monotonic() + seconds
        for threads in self._threads.copy().values():
            for thread in threads:
                thread.join(None if until is None else max(0.0, until - time.monotonic()))

    @property
    def taken(self) -> list[Future[None]]:
        """The futures of changes that the library took, until they are completed and have called back."""
        all_given = self.given.copy().values()
        return [given.future for given in all_given if isinstance(given, Given) and given.taken]

    def poll(self, timeout_ms: int, callbacks: Callbacks) -> int:
        """Bring outcomes to those that wait; says how many came: 0 where the time was up, or no more will come."""
        completions = c_void_p()
        blocking(lib.im_batcher_poll, self.pointer, timeout_ms, ctypes.byref(completions), None)
        try:
            numbers, errors = read_completions(completions)
        finally:
            lib.im_completions_free(completions)
        outcomes: Outcomes = []
        for number in numbers:
            given = self.given.get(number)
            if isinstance(given, Waiter):
                self.given.pop(number, None)
                given.complete(errors.get(number))
            elif given is not None:
                outcomes.append((number, errors.get(number)))
        wake_first(self.line)
        if outcomes:
            callbacks.put(outcomes)
        return len(numbers)

    def take_back(self, given: Given | Waiter) -> None:
        """Take back a change whose caller an exception ended: it is not sent, unless it has been."""
        given.left = True
        self.given.pop(given.number, None)
        lib.im_batcher_withdraw(self.pointer, given.number, _IM_CANCELLED, None)

    def drop(self, source: object) -> None:
        """Say what the batcher, which is gone, had in it, and end the thread."""
        unsettled = lib.im_batcher_unsettled(self.pointer)
        self._dropped = True
        lib.im_batcher_submit_clear_tags(self.pointer, _WAKES, Str(None, 0), None)
        if unsettled:
            changes = "1 change that has" if unsettled == 1 else f"{unsettled} changes that have"
            said = f"a batcher was dropped with {changes} no outcome: close it"
            warnings.warn(said, ResourceWarning, source=source, stacklevel=2)

    def end(self, until: float) -> None:
        """Settle what is there, as the interpreter ends, as far as the time allows."""
        with Call(max(0.0, until - time.monotonic()), None, None) as call:
            status = lib.im_batcher_close(self.pointer, call.pointer, None)
        if status == 0:
            self.join(max(0.0, until - time.monotonic()))

    def __del__(self, forget: Any = _exit.forget, free: Any = lib.im_batcher_free) -> None:
        forget(self)
        if self.pointer:
            free(self.pointer)


def _poll(submitted: Submitted, callbacks: Callbacks) -> None:
    """Bring outcomes until the batcher is closed, or dropped."""
    try:
        while True:
            # one that has woken may have ended before it woke the next
            looks = bool(submitted.line)
            patience = _UNTIL_THE_LINE_IS_LOOKED_AT if looks else _AS_LONG_AS_IT_TAKES
            if not submitted.poll(0 if submitted._dropped else patience, callbacks) and not looks:
                break
        if submitted._dropped:
            for number in submitted.given.copy():
                lib.im_batcher_withdraw(submitted.pointer, number, _IM_CANCELLED, None)
            while submitted.poll(0, callbacks):  # a change that is withdrawn so has its outcome at once
                pass
    finally:
        callbacks.put(None)
