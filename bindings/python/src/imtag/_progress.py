"""The counts of a bulk run, and its progress callback: signals, and the caller's function, on the thread of the run.

As in ``_interrupt``, the library calls a generator's ``send``, which a signal handler cannot interrupt before its
``try``. An exception must not escape, as ctypes would print and drop it: it is kept, the run is cancelled, and the
method of the run raises it. Each reason cancels once, as a second cancellation would end requests under way too; the
second Ctrl-C does.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator
from ctypes import c_void_p
from typing import Any

from ._library import lib
from ._prototypes import PROGRESS
from ._record import record


@record
class Summary:
    """The counts of a bulk run, while it runs and at its end."""

    taken: int = 0
    """Changes that were taken."""
    done: int = 0
    """Changes that are done."""
    failed: int = 0
    """Changes that failed."""
    requests: int = 0
    """Requests that were made; retries are not counted."""
    attempts: int = 0
    """Requests with their retries."""
    attempts_sent: int = 0
    """Attempts of which any byte left this machine: what the app's quota may have been charged."""
    splits: int = 0
    """Requests that were split, as they failed without naming the user at fault."""
    timpush_would_save: int = 0
    """Requests that only searched for users at fault, which ``generation="timpush"`` would name."""
    elapsed: float = 0.0
    """Seconds since the first change; at the end, how long the run took."""
    not_taken: int = 0
    """Changes that were pulled after the run had ended: each has its outcome, and is in no other count."""

    @property
    def unsettled(self) -> int:
        """Changes that have no outcome yet."""
        return self.taken - self.done - self.failed


def read_summary(bulk: Any, not_taken: int = 0) -> Summary:
    """Read the counts of an im_bulk, in the order of IM_COUNT_TAKEN, ..."""
    # failed and done are read before taken, so that they are never more than it
    failed, done, *others = [lib.im_bulk_count(bulk, what) for what in (3, 2, 1, 4, 5, 6, 7, 8, 9)]
    taken, requests, attempts, sent, splits, saved, elapsed_ms = others
    return Summary(taken, done, failed, requests, attempts, sent, splits, saved, elapsed_ms / 1000, not_taken)


Progress = Callable[[Summary], Any]


class ProgressCallback:
    """The callback of one run, and the exception that was raised in it."""

    __slots__ = ("__weakref__", "_progress", "_raised", "bulk", "callback", "cancelled")

    def __init__(self, progress: Progress | None) -> None:
        if progress is not None and not callable(progress):
            raise TypeError(f"progress: {type(progress).__name__}, expected a callable")
        self._progress = progress
        self._raised: BaseException | None = None
        self.bulk = c_void_p()
        """The im_bulk, once there is one."""
        self.cancelled = False
        """Whether the run has been cancelled, here or by ``Bulk.cancel``."""
        # weak, as the garbage collector does not see references of ctypes, and the function may refer to the run
        loop = _callback_loop(weakref.ref(self))
        loop.send(None)
        # it gets only the run: the context, the second argument, is not read
        self.callback = PROGRESS(loop.send)

    def take_raised(self) -> BaseException | None:
        """Return what was raised since the last call."""
        raised, self._raised = self._raised, None
        return raised

    def _call(self) -> int:
        progress = self._progress
        if progress is None or not progress(read_summary(self.bulk)):
            return 0
        self._progress = None
        self.cancelled = True
        return 1

    def _keep(self, raised: BaseException) -> None:
        self._progress = None
        self.cancelled = True
        self._raised = raised


def _callback_loop(this: weakref.ref[ProgressCallback]) -> Generator[int, Any, None]:
    answer = 0
    while True:
        try:
            while True:
                yield answer
                answer = 0
                callback = this()
                if callback is not None:
                    answer = callback._call()
                callback = None
        except GeneratorExit:
            raise
        except BaseException as exception:
            answer = 1
            callback = this()
            if callback is not None:
                callback._keep(exception)
            callback = None
