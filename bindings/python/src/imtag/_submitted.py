"""The handle of a batcher, the futures of what was submitted to it, and the thread that completes them.

The thread is started by the first change that is submitted. It waits in the library without a time limit, and without
the interpreter's lock, so it costs nothing where nothing comes. It holds the handle, not the batcher, so that a batcher
that nobody has any more is noticed; it is then woken by a change that breaks the limits, which has its outcome at once.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable
from ctypes import c_void_p
from itertools import count
from typing import TYPE_CHECKING, Any

from . import _exit
from ._call import Call
from ._completions import read_completions
from ._credentials import Supplier
from ._errors import ChangeError
from ._green import blocking
from ._library import lib
from ._options import Options
from ._prototypes import Str
from ._raise import exception_of

if TYPE_CHECKING:
    from concurrent.futures import Future

_AS_LONG_AS_IT_TAKES = 2**64 - 1
_IM_CANCELLED = 9
_WAKES = 0  # the number of the change that wakes the thread; the others are counted from 1


class Given:
    """A change with its future."""

    __slots__ = ("future", "taken")

    def __init__(self) -> None:
        from concurrent.futures import Future  # first needed here, and slow to import

        self.future: Future[None] = Future()
        self.future.set_running_or_notify_cancel()  # it cannot be taken back
        self.taken = False
        """Whether the library has said that it took it; the outcome may be there before."""

    def complete(self, error: ChangeError | None) -> None:
        """Complete the future, which calls back."""
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(error)


class Waiter:
    """A thread that waits for the outcome of its change.

    It waits for a lock of Python's, and not in the library, where all threads of a request would wake at once and
    fight for the interpreter's lock. Those whose outcomes are there wake one after the other: each that has woken
    wakes the next, whose way back to Python so falls into the work of the one before.
    """

    __slots__ = ("_line", "_lock", "_waits", "error", "taken")

    def __init__(self, line: deque[Waiter]) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._lock.acquire()
        self._waits = True
        self.error: ChangeError | None = None
        self.taken = False

    def wait(self, until: float | None, withdraw: Callable[[], object]) -> None:
        """Wait, and raise unless the change is done. By that reading of time.monotonic the change is withdrawn."""
        try:
            seconds = -1 if until is None else min(max(0, until - time.monotonic()), threading.TIMEOUT_MAX)
            if not self._lock.acquire(timeout=seconds):
                withdraw()
                self._lock.acquire()
        finally:  # also where an exception ended the wait: the next may have no other that wakes it
            self._waits = False
            wake_first(self._line)
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # or the exception, by its traceback, would keep itself

    def complete(self, error: ChangeError | None) -> None:
        """Put it into the line of those that may wake."""
        self.error = error
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
        self._threads: dict[str, threading.Thread] = {}
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
        """Start the thread, if there is none. No lock is taken, as a fork would leave it taken."""
        if self._threads:
            return
        thread = threading.Thread(target=_complete, args=(self,), name="imtag-batcher", daemon=True)
        if self._threads.setdefault("", thread) is thread:
            try:
                thread.start()
            except RuntimeError:
                self._threads.clear()
                raise

    @property
    def is_thread(self) -> bool:
        """Whether the caller is the thread, in a callback of a future."""
        return threading.current_thread() in self._threads.values()

    def join(self, seconds: float | None = None) -> None:
        """Wait until the futures of a batcher that is closed are completed."""
        if not self.is_thread:
            for thread in self._threads.copy().values():
                thread.join(seconds)

    @property
    def taken(self) -> list[Future[None]]:
        """The futures of changes that the library took, until they are completed and have called back."""
        all_given = self.given.copy().values()
        return [given.future for given in all_given if isinstance(given, Given) and given.taken]

    def wait(self, timeout_ms: int) -> int:
        """Poll, and complete; says how many came: 0 where the time was up, or no more will come."""
        completions = c_void_p()
        blocking(lib.im_batcher_poll, self.pointer, timeout_ms, ctypes.byref(completions), None)
        try:
            numbers, errors = read_completions(completions)
        finally:
            lib.im_completions_free(completions)
        for number in numbers:
            self._complete(number, errors.get(number))
        wake_first(self.line)
        return len(numbers)

    def _complete(self, number: int, error: ChangeError | None) -> None:
        given = self.given.get(number)
        if given is None:
            return
        try:
            given.complete(error)
        except SystemExit:  # of a callback, which is over, as a thread of its own would be
            pass
        except BaseException:  # other than an Exception: the others are to be completed too
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
        finally:
            self.given.pop(number, None)  # only now, so that whoever waits for it finds it

    def drop(self, source: object) -> None:
        """Say what the batcher, which is gone, had in it, and end the thread."""
        unsettled = lib.im_batcher_unsettled(self.pointer)
        self._dropped = True
        lib.im_batcher_submit_clear_tags(self.pointer, _WAKES, Str(None, 0), None)
        if unsettled:
            said = f"a batcher was dropped with {unsettled} changes that have no outcome: close it"
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


def _complete(submitted: Submitted) -> None:
    """Complete futures until the batcher is closed, or dropped."""
    while submitted.wait(0 if submitted._dropped else _AS_LONG_AS_IT_TAKES):
        pass
    if submitted._dropped:
        for number in submitted.given.copy():
            lib.im_batcher_withdraw(submitted.pointer, number, _IM_CANCELLED, None)
        while submitted.wait(0):  # a change that is withdrawn so has its outcome at once
            pass
