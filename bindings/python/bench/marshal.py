"""What a full batch costs in Python: 100 users with 10 tags each, from a dict to the arguments of the library's call.

Prints the best of many rounds in microseconds, as one JSON object: for ASCII, for Chinese, and for
the accounts alone.
"""

from __future__ import annotations

import json
import time
from typing import Callable

from imtag._marshal import accounts_flat, users_flat

USERS, TAGS, ROUNDS = 100, 10, 2000


def microseconds(work: Callable[[], object]) -> float:
    """Return the least time that `work` took."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        work()
        best = min(best, time.perf_counter_ns() - start)
    return best / 1000


def batch(tag: str) -> dict[str, list[str]]:
    """Return a full batch of distinct texts."""
    return {f"xiaojun{user:03}": [f"{tag}-{user}-{number}" for number in range(TAGS)] for user in range(USERS)}


def main() -> None:
    """Measure and print."""
    ascii_users, chinese_users = batch("premium"), batch("北京")
    accounts = list(ascii_users)
    figures = {
        "add_ascii_us": microseconds(lambda: users_flat(ascii_users)),
        "add_chinese_us": microseconds(lambda: users_flat(chinese_users)),
        "get_ascii_us": microseconds(lambda: accounts_flat(accounts)),
    }
    print(json.dumps({name: round(figure, 1) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
