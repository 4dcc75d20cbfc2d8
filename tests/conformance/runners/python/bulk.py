"""A bulk run of a case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

from options import await_arrivals, change_of, milliseconds_gone, thread
from outcome import failure_of, outcome_of

import imtag

_COUNTS = (
    "taken",
    "done",
    "failed",
    "not_taken",
    "requests",
    "attempts",
    "attempts_sent",
    "splits",
    "timpush_would_save",
)


def play_bulk(client: imtag.Client, bulk: dict[str, Any], show: Callable[[imtag.Stats], None]) -> dict[str, Any]:
    """Make a run, and go through its outcomes."""

    def changes() -> Iterator[imtag.Change]:
        for step in bulk["input"]:
            if "await_arrivals" in step:
                await_arrivals(step["await_arrivals"])
            elif "cancel" in step:
                run.cancel()
            else:
                yield change_of(step)

    def cancel() -> None:
        await_arrivals(bulk["cancel_after_arrivals"])
        run.cancel()

    asked = 0

    def progress(_: imtag.Summary) -> bool:
        nonlocal asked
        asked += 1
        return asked == bulk.get("cancel_at_progress")

    run = client.bulk(changes(), progress=progress, **milliseconds_gone(bulk["options"]))
    canceller = thread(cancel) if "cancel_after_arrivals" in bulk else None
    outcomes: list[imtag.Outcome] = []
    end: dict[str, Any] = {"status": "ok"}
    try:
        for outcome in run:
            outcomes.append(outcome)
    except imtag.Error as error:
        end = outcome_of(error)
        outcomes.extend(run)
    if canceller is not None:
        canceller.join()
    outcomes.sort(key=lambda outcome: outcome.index)
    failures = [failure_of(outcome.error, index=outcome.index) for outcome in outcomes if outcome.error is not None]
    if failures and end["status"] == "ok":
        end["status"] = "partial"
    show(run.stats())
    summary = {name: getattr(run.summary, name) for name in _COUNTS}
    return {**end, "settled": len(outcomes), "failures": failures, "summary": summary}
