from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from emulator import HANGS, Emulator

import imtag

USERS = {"xiaojun012": ["a"]}

PROGRAM = """
import imtag, json, sys
client = imtag.Client(**json.loads(sys.argv[1]))
try:
    client.add_tag({"xiaojun012": ["a"]}, timeout=60)
except KeyboardInterrupt as interrupt:
    print(type(interrupt.__cause__).__name__, interrupt.__cause__.effect)
"""


@pytest.fixture
def alarm() -> Iterator[Any]:
    """Sets a handler that runs after 0.3 s."""

    def set_alarm(handler: Any) -> None:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.3)

    before = signal.getsignal(signal.SIGALRM)
    yield set_alarm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


class Stop(Exception):
    pass


def raise_stop(*_: object) -> None:
    raise Stop("by a handler")


def test_ctrl_c_ends_a_call_that_hangs(emulator: Emulator) -> None:
    emulator.faults("add", HANGS)
    settings = {**emulator.app, "secret_key": emulator.secret_key, "endpoint": emulator.endpoint}
    command = [sys.executable, "-c", PROGRAM, json.dumps(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        emulator.wait_for_arrivals(1)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        output, complaint = process.communicate(timeout=20)
    assert time.monotonic() - start < 3
    assert (output, complaint, process.returncode) == ("Cancelled possibly applied\n", "", 0)


def test_what_a_handler_raises_ends_the_call(
    emulator: Emulator, client: imtag.Client, alarm: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    emulator.faults("add", HANGS, HANGS)
    for _ in range(2):
        alarm(raise_stop)
        with pytest.raises(Stop, match="by a handler") as caught:
            client.add_tag(USERS, timeout=20)
        assert isinstance(caught.value.__cause__, imtag.Cancelled)
    assert client.add_tag(USERS).accounts == 1
    assert capfd.readouterr() == ("", "")


def test_a_handler_that_raises_nothing_runs_and_the_call_goes_on(
    emulator: Emulator, client: imtag.Client, alarm: Any
) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 1000})
    arrivals: list[int] = []
    alarm(lambda *_: arrivals.append(len(emulator.tags("xiaojun012"))))
    assert client.add_tag(USERS, timeout=20).attempts == 1
    assert arrivals == [0]  # it ran before the call's effect


def test_a_handler_may_call_the_same_client(emulator: Emulator, client: imtag.Client, alarm: Any) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 1000})
    read: list[imtag.Result] = []
    alarm(lambda *_: read.append(client.get_tag(["xiaojun012"])))
    assert client.add_tag(USERS, timeout=20).accounts == 1
    assert read[0].users == {"xiaojun012": []}


def test_a_handler_may_cancel_the_call_that_it_interrupts(emulator: Emulator, client: imtag.Client, alarm: Any) -> None:
    emulator.faults("add", HANGS)
    cancel = imtag.Cancel()
    alarm(lambda *_: cancel.cancel())
    with pytest.raises(imtag.Cancelled):
        client.add_tag(USERS, timeout=20, cancel=cancel)


def test_signals_leave_calls_of_other_threads_alone(emulator: Emulator, client: imtag.Client, alarm: Any) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 1000})
    accounts: list[int] = []
    over = threading.Event()

    def call() -> None:
        accounts.append(client.add_tag(USERS).accounts)
        over.set()

    threading.Thread(target=call, daemon=True).start()
    alarm(raise_stop)
    with pytest.raises(Stop):
        over.wait(20)
    assert over.wait(20)
    assert accounts == [1]


def test_what_a_handler_raises_as_a_credential_callback_begins_is_raised(
    emulator: Emulator, capfd: pytest.CaptureFixture[str]
) -> None:
    def signal_once_it_waits() -> None:
        emulator.wait_for_arrivals(1)
        os.kill(os.getpid(), signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, raise_stop)
    try:
        for _ in range(5):
            emulator.reset()
            # expired, said before the library next asks whether to go on
            emulator.faults("add", {"kind": "code", "code": 70001, "answer_delay_ms": 80})
            with emulator.client(secret_key=None, credential_callback=emulator.usersig) as client:
                thread = threading.Thread(target=signal_once_it_waits)
                thread.start()
                with pytest.raises(Stop, match="by a handler"):
                    client.add_tag(USERS, timeout=20)
                thread.join(20)
                assert client.add_tag(USERS, timeout=20).accounts == 1
    finally:
        signal.signal(signal.SIGALRM, before)
    assert capfd.readouterr() == ("", "")
