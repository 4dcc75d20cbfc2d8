"""The counts of a bulk run."""

from __future__ import annotations

from typing import Any

from ._library import lib
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
    """Requests that were split, as they failed without naming the user at fault; each split makes two more."""
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
