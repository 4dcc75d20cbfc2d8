"""What a full batch costs in Python: 100 users with 10 tags each, from a dict to the arguments of the library's call.

Its peer is what a client without the library does: json.dumps of the request's body. Both are measured
in turns, and the best of many rounds is printed in microseconds, as one JSON object.
"""

from __future__ import annotations

import json
import time
from typing import Callable

from imtag._marshal import accounts_flat, users_flat

USERS, TAGS, ROUNDS = 100, 10, 2000


def microseconds(*works: Callable[[], object]) -> list[float]:
    """Return the least time that each took, all of them made in turns."""
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for index, work in enumerate(works):
            start = time.perf_counter_ns()
            work()
            best[index] = min(best[index], time.perf_counter_ns() - start)
    return [round(nanoseconds / 1000, 1) for nanoseconds in best]


def batch(tag: str) -> dict[str, list[str]]:
    """Return a full batch of distinct texts."""
    return {f"xiaojun{user:03}": [f"{tag}-{user}-{number}" for number in range(TAGS)] for user in range(USERS)}


def body(users: dict[str, list[str]]) -> bytes:
    """Return the request's body, as a client without the library makes it."""
    user_tags = [{"To_Account": account, "Tags": tags} for account, tags in users.items()]
    return json.dumps({"UserTags": user_tags}, ensure_ascii=False).encode()


def main() -> None:
    """Measure and print."""
    ascii_users, chinese_users = batch("premium"), batch("北京")
    accounts = list(ascii_users)
    figures = {
        "add, ASCII": microseconds(lambda: users_flat(ascii_users), lambda: body(ascii_users)),
        "add, Chinese": microseconds(lambda: users_flat(chinese_users), lambda: body(chinese_users)),
        "get": microseconds(lambda: accounts_flat(accounts), lambda: json.dumps({"To_Account": accounts}).encode()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
