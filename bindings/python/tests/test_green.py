from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest
from emulator import Emulator

PATCHES = {
    "gevent": "from gevent import Timeout, monkey\nmonkey.patch_all()\n",
    "eventlet": "import eventlet\nfrom eventlet import Timeout\neventlet.monkey_patch()\n",
}

# the loop beats while a batcher is waited for in each way there is
PROGRAM = """
import json, sys, threading, time, imtag

def beat():
    while True:
        beats.append(1)
        time.sleep(0.01)

def while_the_loop_goes_on(what, work):
    before = len(beats)
    work()
    print(what, len(beats) > before + 2)

def threads():
    all_threads = [threading.Thread(target=batcher.add_tag, args=(f"u{number}", ["a"])) for number in range(100)]
    for thread in all_threads:
        thread.start()
    for thread in all_threads:
        thread.join()

beats = []
threading.Thread(target=beat, daemon=True).start()
client = imtag.Client(**json.loads(sys.argv[1]))
with client.batcher(linger=0.2) as batcher:
    while_the_loop_goes_on("future", lambda: batcher.submit(imtag.add("one", ["a"])).result(20))
    while_the_loop_goes_on("thread", lambda: batcher.add_tag("two", ["a"]))
    while_the_loop_goes_on("with a timeout", lambda: batcher.add_tag("two", ["b"], timeout=20))
    while_the_loop_goes_on("none", lambda: time.sleep(0.1))
    threads()
    try:
        batcher.add_tag("", ["a"])
    except imtag.InvalidRequest as error:
        print("error", error.account == "")
    future = batcher.submit(imtag.add("three", ["a"]))
    batcher.flush(timeout=20)
    print("flush", future.done())
with client.batcher(linger=60) as lingering:
    try:
        with Timeout(0.2):
            lingering.add_tag("left", ["a"])
    except Timeout:
        print("left", lingering.unsettled)
last = client.batcher(linger=60)
last.submit(imtag.add("last", ["a"])).add_done_callback(lambda future: print("exit", future.exception()))
"""

PRINTED = """\
future True
thread True
with a timeout True
none True
error True
flush True
left 0
exit None
"""


@pytest.mark.parametrize("kind", PATCHES)
@pytest.mark.parametrize("first", ["patch", "import"])
def test_a_batcher_works_with_green_threads_and_lets_their_loop_run(emulator: Emulator, kind: str, first: str) -> None:
    if importlib.util.find_spec(kind) is None:  # this does not import it here
        pytest.skip(f"{kind} is not installed")
    begin = PATCHES[kind] if first == "patch" else f"import imtag\n{PATCHES[kind]}"
    settings = json.dumps({**emulator.app, "secret_key": emulator.secret_key, "endpoint": emulator.endpoint})
    command = [sys.executable, "-W", "ignore", "-c", begin + PROGRAM, settings]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, PRINTED, "")
    assert (emulator.tags("last"), emulator.tags("left")) == (["a"], [])
    assert emulator.arrivals() <= 8  # the hundred share requests
