from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
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

# a run of one request
RUN = """
import imtag, json, sys
client = imtag.Client(**json.loads(sys.argv[1]))
run = client.bulk([imtag.add(f"u{number}", ["a"]) for number in range(100)])
try:
    run.finish() if sys.argv[2] == "finish" else list(run)
except KeyboardInterrupt:
    print("interrupted", run.summary.unsettled, *sorted({str(error and error.effect) for *_, error in run}))
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
        output, complaint = process.communicate(timeout=20)  # of the 60 s that the call has
    assert (output, complaint, process.returncode) == ("Cancelled possibly applied\n", "", 0)


def test_an_exception_of_a_handler_ends_the_call(
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


def test_an_exception_of_a_handler_as_a_credential_callback_starts_is_raised(
    emulator: Emulator, capfd: pytest.CaptureFixture[str]
) -> None:
    def signal_once_it_waits() -> None:
        emulator.wait_for_arrivals(1)
        os.kill(os.getpid(), signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, raise_stop)
    try:
        for _ in range(5):
            emulator.reset()
            # expired, before the library next calls the interrupt
            emulator.faults("add", {"kind": "code", "code": 70001, "answer_delay_ms": 80})
            with emulator.client(secret_key=None, credential_callback=emulator.usersig) as client:
                thread = threading.Thread(target=signal_once_it_waits)
                thread.start()
                try:
                    with pytest.raises(Stop, match="by a handler"):
                        client.add_tag(USERS, timeout=20)
                finally:
                    thread.join(20)  # its signal ends the tests where there is no handler
                assert client.add_tag(USERS, timeout=20).accounts == 1
    finally:
        signal.signal(signal.SIGALRM, before)
    assert capfd.readouterr() == ("", "")


def interrupted(emulator: Emulator, how: str, times: int) -> str:
    """The output of a run that is interrupted while its request is under way."""
    settings = {**emulator.app, "secret_key": emulator.secret_key, "endpoint": emulator.endpoint}
    command = [sys.executable, "-c", RUN, json.dumps(settings), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        emulator.wait_for_arrivals(1)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)  # signals are checked every 100 ms
        output, complaint = process.communicate(timeout=20)
    assert (complaint, process.returncode) == ("", 0)
    return output


@pytest.mark.parametrize("how", ["finish", "iterate"])
def test_ctrl_c_ends_a_run_once_requests_in_flight_complete(emulator: Emulator, how: str) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 1500})
    assert interrupted(emulator, how, times=1) == "interrupted 0 None\n"
    assert emulator.tags("u0") == ["a"]


def test_the_second_ctrl_c_ends_requests_in_flight_too(emulator: Emulator) -> None:
    emulator.faults("add", HANGS)
    assert interrupted(emulator, "finish", times=2) == "interrupted 0 possibly applied\n"


def test_ctrl_c_is_raised_although_the_iterable_has_raised_before(
    emulator: Emulator, client: imtag.Client, alarm: Any
) -> None:
    emulator.faults("add", HANGS)

    def changes() -> Iterator[imtag.Change]:
        yield from (imtag.add(f"u{number}", ["a"]) for number in range(100))
        emulator.wait_for_arrivals(1)
        alarm(raise_stop)  # while requests under way complete
        raise LookupError("mine")

    run = client.bulk(changes(), linger=60)
    with pytest.raises(Stop) as caught:
        run.finish()
    assert isinstance(caught.value.__context__, LookupError)
    assert {str(error and error.effect) for *_, error in run} == {"possibly applied"}


def test_an_exception_of_a_handler_ends_a_batchers_call(emulator: Emulator, client: imtag.Client, alarm: Any) -> None:
    emulator.faults("add", HANGS)
    with client.batcher(linger=0, attempt_timeout=1) as batcher:
        alarm(raise_stop)
        with pytest.raises(Stop, match="by a handler") as caught:
            batcher.add_tag("u", ["a"], timeout=20)
        cause = caught.value.__cause__
        assert isinstance(cause, imtag.Cancelled)
        assert cause.effect is imtag.Effect.POSSIBLY_APPLIED


def test_an_exception_of_a_handler_ends_a_run(
    emulator: Emulator, client: imtag.Client, alarm: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 1000})
    alarm(raise_stop)
    run = client.bulk([imtag.add("u", ["a"])])
    with pytest.raises(Stop, match="by a handler"):
        run.finish()
    assert [outcome.error for outcome in run] == [None]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [iter, list])
def test_a_signal_between_any_two_lines_leaves_every_change_one_outcome(client: imtag.Client, kind: Any) -> None:
    for line in itertools.count():
        # outcomes at once, without the network
        changes = [imtag.add(f"u{number}", []) for number in range(4)]
        pulled: list[imtag.Change] = []
        source = map(lambda change: pulled.append(change) or change, changes)  # type: ignore[func-returns-value] # noqa: C417
        run = client.bulk(source if kind is iter else changes)
        outcomes: list[imtag.Outcome] = []
        hit = raising_at(line, lambda: outcomes.extend(run))  # noqa: B023
        outcomes.extend(run)
        had = [outcome.change.account for outcome in outcomes]
        given = pulled if kind is iter else changes
        assert sorted(had) == [change.account for change in given][: len(had)]
        if kind is iter:
            assert len(had) == len(pulled)
            assert run.summary.taken + run.summary.not_taken == len(pulled)
        assert all(outcome.change is changes[outcome.index] for outcome in outcomes)
        assert run.summary.unsettled == 0
        if not hit:
            break
    assert line > 30


def test_a_signal_between_any_two_lines_of_finish_leaves_every_failure_once(client: imtag.Client) -> None:
    for line in itertools.count():
        run = client.bulk([imtag.add(f"u{number}", []) for number in range(4)])
        hit = raising_at(line, run.finish)
        run.finish()
        assert len(run.failures) == run.summary.failed + run.summary.not_taken
        accounts = [error.account for error in run.failures]
        assert sorted(accounts) == sorted(set(accounts))
        if not hit:
            assert len(accounts) == 4
            break
    assert line > 30


def raising_at(line: int, work: Callable[[], object]) -> bool:
    """Do the work, and raise as a handler would at the given executed line of the module of runs."""
    lines = itertools.count()

    def trace(frame: Any, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.endswith("_bulk.py") or frame.f_code.co_name == "__del__":
            return None  # Python drops what is raised in a __del__
        if event == "line" and next(lines) == line:
            raise Stop
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except Stop:
        return True
    finally:
        sys.settrace(before)
    return False
