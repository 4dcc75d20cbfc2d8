"""Futures of submitted changes, and the thread that completes them.

A future's callbacks run on the thread that completes it, and may sleep, or wait for a lock that a caller of the batcher
holds. So this thread does nothing else: while a callback runs, waiting threads still get their outcomes.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Union

from ._errors import ChangeError

if TYPE_CHECKING:
    from concurrent.futures import Future

Outcomes = list[tuple[int, Union[ChangeError, None]]]


class FutureChange:
    """A submitted change with its future."""

    __slots__ = ("abandoned", "future", "number", "taken")

    def __init__(self, number: int) -> None:
        from concurrent.futures import Future  # first needed here, and slow to import

        self.number = number
        self.future: Future[None] = Future()
        self.future.set_running_or_notify_cancel()  # it cannot be cancelled
        self.taken = False
        """Whether the library has taken it; its outcome may arrive before this is set."""
        self.abandoned = False
        """Whether an exception ended the caller before that."""

    def complete(self, error: ChangeError | None) -> None:
        """Complete the future, and run its callbacks."""
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(error)


class Callbacks:
    """A queue of outcomes: one thread puts them, another completes futures with them."""

    __slots__ = ("_batches", "_count", "_given")

    def __init__(self, given: dict[int, Any]) -> None:
        self._given = given
        self._batches: deque[Outcomes | None] = deque()
        self._count = threading.Semaphore(0)

    def put(self, outcomes: Outcomes | None) -> None:
        """Put outcomes into the queue; None: no more will come."""
        self._batches.append(outcomes)
        self._count.release()

    def run(self) -> None:
        """Complete futures until no more outcomes come."""
        while self._complete_next():
            pass

    def _complete_next(self) -> bool:
        self._count.acquire()
        outcomes = self._batches.popleft()
        if outcomes is None:
            return False
        for number, error in outcomes:
            self._complete(number, error)
        return True

    def _complete(self, number: int, error: ChangeError | None) -> None:
        given = self._given.get(number)
        if given is None:
            return
        try:
            given.complete(error)
        except SystemExit:  # a callback raised it, and ends, as a thread would
            pass
        except BaseException:  # Future handles an Exception; other futures must be completed too
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
        finally:
            self._given.pop(number, None)  # only now, so that a flush or a close can wait for it
