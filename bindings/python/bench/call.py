"""The clients of `cargo xtask bench call` in Python: libimtag, and urllib3, which is what people use without it.

It is started with one's name, an endpoint, a CA file, and the number of users and of tags. For each line with a number
it makes so many calls, and prints what they cost as a line of JSON, in nanoseconds.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Callable

import imtag

TARGET = (
    "/v4/all_member_push/im_add_tag?sdkappid=1400000000&identifier=administrator&usersig="
    "eJwtzM0KgkAYheF7mXXIN*OMjkKLFm36U8loE4QxY3xZNuiUUXTviXo8z4H3S3bbzHvqmoSEeUAm-SOlb9Zgib23oCuscbC36ZaWdVkXxqAiIQUA"
    "Kv3hLDqdNhjXkzPfY0AFUBYwIYfB6m2w1m5XlCppRByogHMpJPM4zf6TIj4lq*bxnBR8ceHpyh6PbL-AWVUoJw_&random=1&contenttype=json"
)
HEADERS = {"Content-Type": "application/json"}


def ours(endpoint: str, ca_file: str, users: dict[str, list[str]]) -> Callable[[], object]:
    client = imtag.Client(
        sdkappid=1400000000,
        identifier="administrator",
        secret_key="0123456789abcdef" * 4,
        endpoint=endpoint,
        calls_per_second=100_000,  # so that no call waits for its turn
        fresh_start=True,
        ca_file=ca_file if endpoint.startswith("https:") else None,
    )
    return lambda: client.add_tag(users)


def peer(endpoint: str, ca_file: str, users: dict[str, list[str]]) -> Callable[[], object]:
    import urllib3

    secure = {"ca_certs": ca_file} if endpoint.startswith("https:") else {}
    pool = urllib3.connection_from_url(endpoint, **secure)

    def call() -> None:
        body = {"UserTags": [{"To_Account": account, "Tags": tags} for account, tags in users.items()]}
        answer = pool.urlopen("POST", TARGET, body=json.dumps(body).encode(), headers=HEADERS)
        code = json.loads(answer.data)["ErrorCode"]
        if code != 0:
            raise ValueError(f"the answer has the code {code}")

    return call


def main() -> None:
    name, endpoint, ca_file, count, tags = sys.argv[1:]
    users = {
        f"user{user:08}": [f"tag{(user + tag) % 100:03}-of-20-bytes.." for tag in range(int(tags))]
        for user in range(int(count))
    }
    call = {"imtag": ours, "urllib3": peer}[name](endpoint, ca_file, users)
    call()
    for line in sys.stdin:
        took = []
        began, cpu = time.perf_counter_ns(), time.process_time_ns()
        for _ in range(int(line)):
            start = time.perf_counter_ns()
            call()
            took.append(time.perf_counter_ns() - start)
        cpu, lasted = time.process_time_ns() - cpu, time.perf_counter_ns() - began
        took.sort()
        figures = {"p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100]}
        figures.update(cpu=cpu // len(took), time=lasted // len(took))
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
