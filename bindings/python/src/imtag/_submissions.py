"""The handle of a batcher, the threads that wait for outcomes, and the thread that delivers them.

The first change starts that thread, and another that completes futures. It waits in the library without a time limit
and without the interpreter's lock, so it costs nothing while there are no outcomes. It runs no code of callers, which
could delay others. It refers to the handle, not to the batcher, so that a dropped batcher is collected; then a change
that breaks the limits, whose outcome arrives at once, wakes the thread.

    caller: submit -> pending -> library
    _poll thread: library -> outcome -> Waiter (wake_queue, one after the other) or Callbacks -> futures
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
from ._credentials import Supplier
from ._errors import ChangeError
from ._futures import Callbacks, FutureChange, Outcomes
from ._green import blocking
from ._library import lib
from ._prototypes import FOREVER_MS, IM_CANCELLED, Str
from ._raise import check, read_completions
from ._settings import Options

if TYPE_CHECKING:
    from concurrent.futures import Future

_WAKE_CHECK_MS = 100  # how often the wake queue is checked while it is not empty
_WAKE_UP = 0  # the id of the change that wakes the thread; other ids start at 1


class Waiter:
    """A thread that waits for the outcome of its change.

    It waits for a Python lock, not in the library, where all threads of a request would wake at once and compete for
    the interpreter's lock. Threads whose outcomes are there wake one after the other: each wakes the next, which then
    gets ready while the first works.
    """

    __slots__ = ("_lock", "_waits", "_wake_queue", "abandoned", "done", "error", "number", "taken")

    def __init__(self, number: int, wake_queue: deque[Waiter]) -> None:
        self._wake_queue = wake_queue
        self._lock = threading.Lock()
        self._lock.acquire()
        self._waits = True
        self.number = number
        self.done = False
        """Whether the outcome is there."""
        self.error: ChangeError | None = None
        self.taken = False
        self.abandoned = False

    def wait(self, until: float | None) -> bool:
        """Wait for the outcome; False if it is not there by that time of time.monotonic()."""
        seconds = -1 if until is None else min(max(0, until - time.monotonic()), threading.TIMEOUT_MAX)
        return self._lock.acquire(timeout=seconds)

    def leave(self) -> None:
        """Stop waiting, for any reason, and wake the next, which no other thread may wake."""
        self._waits = False
        wake_first(self._wake_queue)

    def result(self) -> None:
        """Raise unless the change is done."""
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # else the exception's traceback would keep it alive

    def complete(self, error: ChangeError | None) -> None:
        """Put it into the queue of those that may wake."""
        self.error = error
        self.done = True
        self._wake_queue.append(self)


def wake_first(wake_queue: deque[Waiter]) -> None:
    """Wake the first in the queue that still waits."""
    while wake_queue:
        try:
            waiter = wake_queue.popleft()
        except IndexError:  # another thread took the last
            return
        if waiter._waits:
            waiter._lock.release()
            return


class Submissions:
    """An im_batcher with its pending changes, freed when no Batcher, call or thread refers to it."""

    __slots__ = ("__weakref__", "_dropped", "_numbers", "_threads", "pending", "pointer", "supplier", "wake_queue")

    def __init__(self, client: Any, options: Options, supplier: Supplier | None) -> None:
        self.pointer = c_void_p()
        self.supplier = supplier
        self.pending: dict[int, FutureChange | Waiter] = {}
        self.wake_queue: deque[Waiter] = deque()
        """Threads that have outcomes and have not woken yet."""
        self._numbers = count(_WAKE_UP + 1)
        self._threads: dict[str, tuple[threading.Thread, threading.Thread]] = {}
        self._dropped = False
        check(lib.im_batcher_new, client, ctypes.byref(self.pointer))
        options.set("im_batcher", self.pointer)
        _exit.register(self)

    def number(self) -> int:
        """Return an id for a change."""
        return next(self._numbers)

    def start(self) -> None:
        """Start the threads, if there are none. It takes no lock, as a fork would leave it locked."""
        if self._threads:
            return
        callbacks = Callbacks(self.pending)
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
    def in_callback(self) -> bool:
        """Whether the caller is a callback of a future."""
        return any(threading.current_thread() is completes for _, completes in self._threads.copy().values())

    def join(self, seconds: float | None = None) -> None:
        """Wait until the futures of a closed batcher are completed, and their callbacks have run."""
        if self.in_callback:
            return
        until = None if seconds is None else time.monotonic() + seconds
        for threads in self._threads.copy().values():
            for thread in threads:
                thread.join(None if until is None else max(0.0, until - time.monotonic()))

    @property
    def taken(self) -> list[Future[None]]:
        """The futures of changes that the library took, until they are completed and their callbacks have run."""
        pending = self.pending.copy().values()
        return [given.future for given in pending if isinstance(given, FutureChange) and given.taken]

    def poll(self, timeout_ms: int, callbacks: Callbacks) -> int:
        """Deliver outcomes; return how many: 0 if the time was up, or no more will come."""
        completions = c_void_p()
        blocking(lib.im_batcher_poll, self.pointer, timeout_ms, ctypes.byref(completions), None)
        try:
            numbers, errors = read_completions(completions)
        finally:
            lib.im_completions_free(completions)
        outcomes: Outcomes = []
        for number in numbers:
            given = self.pending.get(number)
            if isinstance(given, Waiter):
                self.pending.pop(number, None)
                given.complete(errors.get(number))
            elif given is not None:
                outcomes.append((number, errors.get(number)))
        wake_first(self.wake_queue)
        if outcomes:
            callbacks.put(outcomes)
        return len(numbers)

    def withdraw(self, given: FutureChange | Waiter) -> None:
        """Withdraw a change whose caller was ended by an exception: it is not sent, unless it was."""
        given.abandoned = True
        self.pending.pop(given.number, None)
        lib.im_batcher_withdraw(self.pointer, given.number, IM_CANCELLED, None)

    def drop(self, source: object) -> None:
        """Warn of the changes in a dropped batcher, and end the thread."""
        unsettled = lib.im_batcher_unsettled(self.pointer)
        self._dropped = True
        lib.im_batcher_submit_clear_tags(self.pointer, _WAKE_UP, Str(None, 0), None)
        if unsettled:
            changes = "1 change that has" if unsettled == 1 else f"{unsettled} changes that have"
            text = f"a batcher was dropped with {changes} no outcome: close it"
            warnings.warn(text, ResourceWarning, source=source, stacklevel=2)

    def end(self, until: float) -> None:
        """Send its changes before the interpreter ends, as far as the time allows."""
        with Call(max(0.0, until - time.monotonic()), None, None) as call:
            status = lib.im_batcher_close(self.pointer, call.pointer, None)
        if status == 0:
            self.join(max(0.0, until - time.monotonic()))

    def __del__(self, unregister: Any = _exit.unregister, free: Any = lib.im_batcher_free) -> None:
        unregister(self)
        if self.pointer:
            free(self.pointer)


def _poll(submissions: Submissions, callbacks: Callbacks) -> None:
    """Deliver outcomes until the batcher is closed or dropped."""
    try:
        while True:
            # a thread that has woken may have ended before it woke the next
            some_asleep = bool(submissions.wake_queue)
            timeout_ms = _WAKE_CHECK_MS if some_asleep else FOREVER_MS
            if not submissions.poll(0 if submissions._dropped else timeout_ms, callbacks) and not some_asleep:
                break
        if submissions._dropped:
            for number in submissions.pending.copy():
                lib.im_batcher_withdraw(submissions.pointer, number, IM_CANCELLED, None)
            while submissions.poll(0, callbacks):  # a change that is withdrawn has its outcome at once
                pass
    finally:
        callbacks.put(None)
