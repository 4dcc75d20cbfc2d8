"""What a change costs in Python, as CPU time of the thread that makes it: in a bulk run, of a generator or a list, and
submitted to a batcher. The network is the emulator's on this machine (IMTAG_BIN names the program), with the quota out
of the way; its work and that of the library's own threads are not counted. Prints microseconds, as one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import imtag

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from emulator import Emulator

CHANGES, ROUNDS, CALLS = 50_000, 3, 100_000


def changes() -> Iterator[imtag.Change]:
    """Return changes of as many users, of two tags each."""
    return (imtag.add(f"user-{number:07}", ["vip", "beijing"]) for number in range(CHANGES))


def microseconds(work: Callable[[], None]) -> float:
    """Return the least time that a change took."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.thread_time_ns()
        work()
        best = min(best, time.thread_time_ns() - start)
    return round(best / 1000 / CHANGES, 2)


def run(client: imtag.Client, source: Callable[[], Iterator[imtag.Change] | list[imtag.Change]]) -> None:
    """Make all changes by a bulk run."""
    assert sum(error is None for *_, error in client.bulk(source())) == CHANGES


def submit(client: imtag.Client) -> None:
    """Make all changes by a batcher."""
    with client.batcher(capacity=CHANGES) as batcher:
        futures = [batcher.submit(change) for change in changes()]
    assert all(future.exception(0) is None for future in futures)


def main() -> None:
    """Measure and print."""
    emulator = Emulator("--calls-per-second", str(CALLS))
    try:
        client = emulator.client(calls_per_second=CALLS)
        figures = {
            "bulk, of a generator": microseconds(lambda: run(client, changes)),
            "bulk, of a list": microseconds(lambda: run(client, lambda: list(changes()))),
            "batcher, submitted": microseconds(lambda: submit(client)),
        }
        print(json.dumps(figures))
    finally:
        emulator.stop()


if __name__ == "__main__":
    main()
