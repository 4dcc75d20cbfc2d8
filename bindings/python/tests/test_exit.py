from __future__ import annotations

import json
import subprocess
import sys

import pytest
from emulator import Emulator

# the interpreter ends while a daemon thread is in the callback, which comes back long before what ends last is gone
PROGRAM = """
import imtag, json, sys, threading, time

def callback():
    inside.set()
    time.sleep(0.3)
    return "abc"

def call():
    client.add_tag({"xiaojun012": ["a"]})

class Slow:
    def __del__(self, sleep=time.sleep):
        sleep(0.6)

inside = threading.Event()
client = imtag.Client(credential_callback=callback, **json.loads(sys.argv[1]))
sys.modules["slow"] = Slow()
threading.excepthook = lambda _: None
threading.Thread(target=call, daemon=True).start()
inside.wait(20)
"""

# the service's answer, after which the library asks the callback again, comes as the interpreter ends
LATER = """
import imtag, json, sys, threading, time

class Slow:
    def __del__(self, sleep=time.sleep):
        sleep(1.5)

def call():
    client.add_tag({"xiaojun012": ["a"]})

settings = json.loads(sys.argv[1])
usersig = settings.pop("usersig")
client = imtag.Client(credential_callback=lambda: usersig, **settings)
sys.modules["slow"] = Slow()
threading.excepthook = lambda _: None
threading.Thread(target=call, daemon=True).start()
sys.stdin.readline()
"""


def test_the_interpreter_ends_in_order_while_a_daemon_thread_is_in_a_callback(emulator: Emulator) -> None:
    settings = json.dumps({**emulator.app, "endpoint": emulator.endpoint})
    ended = subprocess.run([sys.executable, "-c", PROGRAM, settings], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_no_callback_starts_once_the_interpreter_ends(emulator: Emulator) -> None:
    emulator.faults("add", {"kind": "code", "code": 70001, "answer_delay_ms": 600})
    settings = json.dumps({**emulator.app, "endpoint": emulator.endpoint, "usersig": emulator.usersig()})
    command = [sys.executable, "-c", LATER, settings]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        emulator.wait_for_arrivals(1)
        _, complaint = process.communicate("\n", timeout=30)
    assert (process.returncode, complaint) == (0, "")


# neither is closed; a callback supplies the UserSig, on threads that are not Python's
OPEN = """
import imtag, json, sys, threading, time

def changes():
    while True:
        yield imtag.add("endless", ["a"])

def iterate():
    for _ in client.bulk(changes(), capacity=10, progress=lambda summary: None):
        begun.set()

settings = json.loads(sys.argv[1])
usersig = settings.pop("usersig")
client = imtag.Client(credential_callback=lambda: usersig, **settings)
threading.excepthook = lambda _: None
begun = threading.Event()
batcher = client.batcher(linger=60)
future = batcher.submit(imtag.add("lingers", ["a"]))
future.add_done_callback(lambda future: print("done", future.exception()))
threading.Thread(target=iterate, daemon=True).start()
begun.wait(20)
"""


def test_the_end_of_the_interpreter_loses_nothing_of_a_batcher_and_waits_for_no_run(emulator: Emulator) -> None:
    settings = json.dumps({**emulator.app, "endpoint": emulator.endpoint, "usersig": emulator.usersig()})
    ended = subprocess.run([sys.executable, "-c", OPEN, settings], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done None\n", "")
    assert emulator.tags("lingers") == ["a"]


HOST = """
import asyncio, atexit, imtag, json, os, signal, sys, threading, time, warnings
settings = json.loads(sys.argv[1])
usersig = settings.pop("usersig")
client = imtag.Client(credential_callback=lambda: usersig, **settings)

def submit(batcher, account):
    return batcher.submit(imtag.add(account, ["a"]))

"""

# what a host does as it ends: how, its exit code, whether its change is to be done
ENDINGS = {
    "what outlives all modules": (
        """
os.kept = client, client.batcher(), client.bulk(iter(())), imtag.Cancel()
submit(os.kept[1], "u")
""",
        0,
        True,
    ),
    "sys.exit in a callback of a future": (
        """
batcher = client.batcher(linger=0)
submit(batcher, "u").add_done_callback(lambda future: sys.exit(3))
""",
        0,
        True,
    ),
    "sys.exit beside threads that wait": (
        """
batcher = client.batcher(linger=60)
for _ in range(8):
    threading.Thread(target=batcher.add_tag, args=("u", ["a"]), daemon=True).start()
while batcher.unsettled < 8:
    time.sleep(0.001)
sys.exit(4)
""",
        4,
        True,
    ),
    "os._exit beside a batcher at work": (
        """
batcher = client.batcher(linger=0)
submit(batcher, "u").result(20)
submit(batcher, "u")
os._exit(5)
""",
        5,
        True,
    ),
    "an atexit function of the host's that comes after the package's": (
        """
batcher = client.batcher(linger=60)
@atexit.register
def last():
    submit(batcher, "u").result(20)
""",
        0,
        True,
    ),
    "a host that closes as it is deleted": (
        """
class Host:
    def __init__(self, client):
        self.client, self.batcher = client, client.batcher(linger=60)
        submit(self.batcher, "u")
    def __del__(self):
        self.batcher.close()
        self.client.close()
host = Host(client)
""",
        0,
        True,
    ),
    "an event loop that is left": (
        """
async def work():
    asyncio.ensure_future(asyncio.wrap_future(submit(batcher, "u")))
    await asyncio.sleep(0)
batcher = client.batcher(linger=60)
asyncio.run(work())
""",
        0,
        True,
    ),
    "a run that a thread iterates": (
        """
begun = threading.Event()
def changes():
    yield imtag.add("u", ["a"])
    begun.set()
    time.sleep(600)
def work():
    for _ in client.bulk(changes()):
        pass
threading.Thread(target=work, daemon=True).start()
begun.wait(20)
""",
        0,
        False,
    ),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_a_host_ends_without_a_traceback(emulator: Emulator, how: str) -> None:
    code, status, done = ENDINGS[how]
    settings = json.dumps({**emulator.app, "endpoint": emulator.endpoint, "usersig": emulator.usersig()})
    command = [sys.executable, "-c", HOST + code, settings]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, "", "")
    assert emulator.tags("u") == (["a"] if done else [])
