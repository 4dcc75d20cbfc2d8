"""How a batcher serves many threads that tag a user each, over and over, and as many tasks of asyncio: users a second,
and how long a caller waits. The emulator is this machine's (IMTAG_BIN names the program, best a release build).
Prints one JSON object. Arguments: how long each takes, in seconds, and how many callers.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import imtag

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from emulator import Emulator

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
CALLERS = int(sys.argv[2]) if len(sys.argv) > 2 else 2000

Figures = dict[str, float]


def figures(took: list[float], seconds: float) -> Figures:
    """Return what the waits of all callers come to."""
    took.sort()
    at = {"p50": 0.5, "p99": 0.99}
    waits = {f"{name} in ms": round(took[int(len(took) * part)] * 1000, 1) for name, part in at.items()}
    return {"users a second": round(len(took) / seconds), **waits}


def threads(batcher: imtag.Batcher, call: Callable[[str], None]) -> Figures:
    """Have threads call; those in their last call are waited for, and count for their time."""
    took: list[float] = []
    start = time.monotonic()
    until = start + SECONDS

    def work(account: str) -> None:
        begun = time.monotonic()
        while begun < until:
            call(account)
            now = time.monotonic()
            took.append(now - begun)
            begun = now

    threading.stack_size(256 * 1024)
    all_threads = [threading.Thread(target=work, args=(f"user{number:08}",)) for number in range(CALLERS)]
    for thread in all_threads:
        thread.start()
    for thread in all_threads:
        thread.join()
    batcher.flush()
    return figures(took, time.monotonic() - start)


def tasks(batcher: imtag.Batcher) -> Figures:
    """Have tasks call."""
    took: list[float] = []
    start = time.monotonic()
    until = start + SECONDS

    async def work(account: str) -> None:
        begun = time.monotonic()
        while begun < until:
            await asyncio.wrap_future(batcher.submit(imtag.add(account, ["vip"])))
            now = time.monotonic()
            took.append(now - begun)
            begun = now

    async def main() -> None:
        await asyncio.gather(*(work(f"user{number:08}") for number in range(CALLERS)))

    asyncio.run(main())
    return figures(took, time.monotonic() - start)


def main() -> None:
    """Measure and print."""
    emulator = Emulator()
    try:
        with emulator.client() as client, client.batcher() as batcher:
            print(
                json.dumps(
                    {
                        "threads": threads(batcher, lambda account: batcher.add_tag(account, ["vip"])),
                        "threads, each call with a timeout": threads(
                            batcher, lambda account: batcher.add_tag(account, ["vip"], timeout=30)
                        ),
                        "tasks of asyncio": tasks(batcher),
                    }
                )
            )
    finally:
        emulator.stop()


if __name__ == "__main__":
    main()
