"""How a batcher serves many threads that tag a user each, over and over, and as many tasks of asyncio: users, seconds,
and how long a caller waits, as a line of JSON for each. `cargo xtask bench batcher` runs it, with the client's
settings, SECONDS and CALLERS in the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable

import imtag

SECONDS, CALLERS = float(os.environ["SECONDS"]), int(os.environ["CALLERS"])


class Calls:
    """What all callers have noted."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._start = time.monotonic()
        self.until = self._start + SECONDS
        self.took: list[float] = []
        self.failed = 0

    def show(self) -> None:
        """Print the line."""
        seconds = time.monotonic() - self._start
        took = sorted(self.took)
        at = {"p50_ms": 0.5, "p99_ms": 0.99}
        waits = {name: took[int(len(took) * part)] * 1000 for name, part in at.items()}
        known = {"who": self._who, "callers": CALLERS, "users": len(took), "failed": self.failed, "seconds": seconds}
        print(json.dumps({**known, **waits}), flush=True)


def threads(who: str, call: Callable[[str], None]) -> None:
    """Have threads call; those in their last call are waited for, and count for their time."""
    calls = Calls(who)

    def work(account: str) -> None:
        begun = time.monotonic()
        while begun < calls.until:
            try:
                call(account)
            except imtag.Error:
                calls.failed += 1
            now = time.monotonic()
            calls.took.append(now - begun)
            begun = now

    threading.stack_size(256 * 1024)
    all_threads = [threading.Thread(target=work, args=(f"user{number:08}",)) for number in range(CALLERS)]
    for thread in all_threads:
        thread.start()
    for thread in all_threads:
        thread.join()
    calls.show()


def tasks(batcher: imtag.Batcher) -> None:
    """Have tasks call."""
    calls = Calls("Python, tasks of asyncio")

    async def work(account: str) -> None:
        begun = time.monotonic()
        while begun < calls.until:
            try:
                await asyncio.wrap_future(batcher.submit(imtag.add(account, ["vip"])))
            except imtag.Error:
                calls.failed += 1
            now = time.monotonic()
            calls.took.append(now - begun)
            begun = now

    async def main() -> None:
        await asyncio.gather(*(work(f"user{number:08}") for number in range(CALLERS)))

    asyncio.run(main())
    calls.show()


def main() -> None:
    """Measure and print."""
    environment = os.environ
    client = imtag.Client(
        sdkappid=int(environment["IMTAG_SDKAPPID"]),
        identifier=environment["IMTAG_IDENTIFIER"],
        secret_key=environment["IMTAG_SECRET_KEY"],
        endpoint=environment["IMTAG_ENDPOINT"],
    )
    with client, client.batcher() as batcher:
        threads("Python, threads", lambda account: batcher.add_tag(account, ["vip"]))
        threads("Python, threads, with a timeout", lambda account: batcher.add_tag(account, ["vip"], timeout=30))
        tasks(batcher)


if __name__ == "__main__":
    main()
