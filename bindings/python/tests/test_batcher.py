from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import time
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from emulator import HANGS, Emulator

import imtag
from imtag import _batcher
from imtag._library import lib

LONG = 60.0  # longer than any test takes
CANCELLED = "{}: cancelled by its caller ({}; send it again if it is still wanted)"


def submit(batcher: imtag.Batcher, count: int) -> list[Future[None]]:
    return [batcher.submit(imtag.add(f"u{number}", ["a"])) for number in range(count)]


def test_threads_share_requests_and_each_has_its_own_outcome(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", {"kind": "leave_out", "accounts": ["u7"], "code": 70107})
    failed: list[imtag.ChangeError] = []
    with client.batcher(linger=LONG) as batcher:

        def work(number: int) -> None:
            try:
                batcher.add_tag(f"u{number}", ["a"])
            except imtag.ChangeError as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert emulator.arrivals() == 1
    (error,) = failed
    assert (error.account, error.undone, error.code) == ("u7", ("a",), 70107)
    assert isinstance(error, imtag.ServiceError)
    assert (emulator.tags("u6"), emulator.tags("u7")) == (["a"], [])


def test_each_operation_does_what_it_says(emulator: Emulator, client: imtag.Client) -> None:
    with client.batcher(linger=0) as batcher:
        batcher.add_tag("u1", ["a", "b", "北京"])
        batcher.remove_tag(b"u1", (b"a",))
        batcher.add_tag("u2", ["a"])
        batcher.clear_tags("u2")
        batcher.submit(imtag.add("u3", ["a", "b"])).result(20)
        batcher.submit(imtag.remove("u3", ["a"])).result(20)
        assert emulator.tags("u3") == ["b"]
        batcher.submit(imtag.clear("u3")).result(20)
    assert [emulator.tags(f"u{number}") for number in (1, 2, 3)] == [["b", "北京"], [], []]


def test_a_future_has_the_outcome_of_its_change(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", {"kind": "leave_out", "accounts": ["u1"], "code": 70107})
    with client.batcher() as batcher:
        good, bad = submit(batcher, 2)
        assert not good.cancel()  # it may have been sent
        assert good.result(20) is None
        error = bad.exception(20)
        invalid = batcher.submit(imtag.add("u2", [""])).exception(20)
    assert isinstance(error, imtag.ChangeError)
    assert (error.account, error.undone, error.effect) == ("u1", ("a",), imtag.Effect.NOT_APPLIED)
    assert isinstance(invalid, imtag.InvalidRequest)
    assert [violation.place for violation in invalid.violations] == ["tags[0]"]


def test_a_future_can_be_awaited(emulator: Emulator, client: imtag.Client) -> None:
    async def work(batcher: imtag.Batcher) -> None:
        await asyncio.gather(*(asyncio.wrap_future(future) for future in submit(batcher, 50)))

    with client.batcher() as batcher:
        asyncio.run(asyncio.wait_for(work(batcher), 20))
    assert emulator.tags("u49") == ["a"]


def test_a_future_whose_task_is_cancelled_affects_no_other(emulator: Emulator, client: imtag.Client) -> None:
    async def work(batcher: imtag.Batcher) -> None:
        tasks = [asyncio.ensure_future(asyncio.wrap_future(future)) for future in submit(batcher, 2)]
        tasks[0].cancel()
        await asyncio.wait_for(tasks[1], 20)

    with client.batcher() as batcher:
        asyncio.run(work(batcher))
    assert emulator.tags("u0") == ["a"]


def test_a_callback_may_use_the_batcher_and_its_exception_ends_nothing(
    client: imtag.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[Any] = []
    monkeypatch.setattr("threading.excepthook", lambda what: raised.append(what.exc_type))
    over: list[threading.Thread] = []
    ends = threading.Semaphore(0)

    def callback(_: Future[None]) -> None:
        batcher.add_tag("u1", ["a"])
        batcher.flush()
        over.append(threading.current_thread())
        ends.release()
        raise SystemExit if len(over) == 1 else KeyboardInterrupt

    with client.batcher(linger=0) as batcher:
        for number in range(2):
            batcher.submit(imtag.add(f"u{number}", ["a"])).add_done_callback(callback)
        for _ in range(2):
            assert ends.acquire(timeout=20)  # before the batcher is closed, as they use it
        batcher.submit(imtag.add("u2", ["a"]))
    assert [thread.name for thread in over] == ["imtag-callbacks"] * 2
    assert raised == [KeyboardInterrupt]  # as in any thread: SystemExit is silent


def test_a_flush_waits_for_all_that_came_before_it(emulator: Emulator, client: imtag.Client) -> None:
    with client.batcher(linger=LONG, attempt_timeout=1) as batcher:
        futures = submit(batcher, 30)
        assert batcher.unsettled == 30
        batcher.flush()
        assert all(future.done() for future in futures)
        assert batcher.unsettled == 0
        emulator.faults("add", HANGS)
        (late,) = submit(batcher, 1)
        with pytest.raises(imtag.TimeoutError, match="1 change has no outcome yet"):
            batcher.flush(timeout=0.2)
        assert not late.done()


def test_close_loses_nothing_and_takes_no_more(emulator: Emulator, client: imtag.Client) -> None:
    with client.batcher(linger=LONG) as batcher:
        futures = submit(batcher, 130)
    assert all(future.done() and future.exception() is None for future in futures)
    assert emulator.tags("u129") == ["a"]
    batcher.close()
    with pytest.raises(imtag.ClosedError) as closed:
        batcher.add_tag("u", ["a"])
    assert isinstance(closed.value, imtag.ChangeError)
    assert closed.value.undone == ("a",)
    with pytest.raises(imtag.ClosedError):
        batcher.submit(imtag.clear("u"))


def flushes(batcher: imtag.Batcher) -> bool:
    """Whether a flush of another thread returns."""
    thread = threading.Thread(target=batcher.flush, daemon=True)
    thread.start()
    thread.join(10)
    return not thread.is_alive()


def test_a_flush_does_not_wait_for_a_change_that_is_not_taken_yet(
    client: imtag.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[bool] = []
    submit_to_library = lib.im_batcher_submit_flat

    def waits_for_capacity(*arguments: Any) -> int:
        flushed.append(flushes(batcher))
        status: int = submit_to_library(*arguments)
        return status

    with client.batcher(linger=0) as batcher:
        monkeypatch.setattr(lib, "im_batcher_submit_flat", waits_for_capacity)
        batcher.submit(imtag.add("u", ["a"])).result(20)
    assert flushed == [True]


@pytest.mark.parametrize("taken", [False, True])
def test_an_exception_during_a_submit_withdraws_the_change_and_leaves_nothing_that_a_flush_waits_for(
    emulator: Emulator, client: imtag.Client, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    submit_to_library = lib.im_batcher_submit_flat

    def interrupted(*arguments: Any) -> int:
        if taken:
            submit_to_library(*arguments)
        raise KeyboardInterrupt

    with client.batcher(linger=LONG) as batcher:
        monkeypatch.setattr(lib, "im_batcher_submit_flat", interrupted)
        with pytest.raises(KeyboardInterrupt):
            batcher.submit(imtag.add("u", ["a"]))
        assert batcher.unsettled == 0
        assert flushes(batcher)
    assert emulator.arrivals() == 0


@pytest.mark.parametrize("how", ["flush", "close"])
def test_the_timeout_of_a_flush_or_a_close_holds_while_a_callback_runs(client: imtag.Client, how: str) -> None:
    running, over = threading.Event(), threading.Event()

    def callback(_: Future[None]) -> None:
        running.set()
        over.wait(20)

    with client.batcher(linger=LONG) as batcher:
        first, second = submit(batcher, 2)
        first.add_done_callback(callback)
        threading.Thread(target=batcher.flush, daemon=True).start()
        assert running.wait(20)
        said = "(1 future is|2 futures are) not completed yet"
        with pytest.raises(imtag.TimeoutError, match=said):
            getattr(batcher, how)(timeout=0.2)
        assert not second.done()
        over.set()
        getattr(batcher, how)()
        assert second.done()


def test_a_close_whose_time_is_up_may_be_called_again(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 600})
    batcher = client.batcher()
    (future,) = submit(batcher, 1)
    with pytest.raises(imtag.TimeoutError):
        batcher.close(timeout=0.1)
    batcher.close()
    assert future.result(0) is None


def test_a_full_batcher_fails_or_waits_as_it_is_set(client: imtag.Client) -> None:
    with client.batcher(linger=LONG, capacity=2, when_full="fail", timeout=LONG) as batcher:
        # when it is full nothing lingers
        with pytest.raises(imtag.Full) as full:
            submit(batcher, 5000)
        assert isinstance(full.value, imtag.ChangeError)
        assert full.value.effect is imtag.Effect.NOT_APPLIED
        assert full.value.retryable
    with client.batcher(linger=LONG, capacity=2, when_full="wait", timeout=LONG) as batcher:
        futures = submit(batcher, 20)
    assert all(future.exception(0) is None for future in futures)


def test_options_that_cannot_be_used_are_refused(client: imtag.Client) -> None:
    with pytest.raises(imtag.SettingsError, match="when_full: 'explode', expected 'wait' or 'fail'"):
        client.batcher(when_full="explode")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="capacity: float, expected int"):
        client.batcher(capacity=2.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="linger: str, expected seconds"):
        client.bulk([], linger="1")  # type: ignore[arg-type]
    with client.batcher() as batcher:
        with pytest.raises(TypeError, match=r"change: tuple, expected imtag\.Change"):
            batcher.submit(("u", ["a"]))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            pickle.dumps(batcher)


def test_the_error_of_an_abandoned_change_says_whether_it_was_sent(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", HANGS)
    cancelled = imtag.Cancel()
    cancelled.cancel()
    with client.batcher(linger=0) as batcher:
        with pytest.raises(imtag.ChangeError) as unsent:
            batcher.add_tag("u1", ["a"], cancel=cancelled)
        assert isinstance(unsent.value, imtag.Cancelled)
        assert (unsent.value.effect, unsent.value.undone) == (imtag.Effect.NOT_APPLIED, ("a",))
    with client.batcher(linger=0, attempt_timeout=1) as batcher:
        with pytest.raises(imtag.TimeoutError) as sent:
            batcher.add_tag("u2", ["a"], timeout=0.3)
        assert sent.value.effect is imtag.Effect.POSSIBLY_APPLIED
    assert emulator.tags("u1") == []


def test_a_thread_whose_time_is_up_withdraws_its_change_and_waits_outside_of_the_library(
    emulator: Emulator, client: imtag.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.faults("add", HANGS)
    monkeypatch.setattr(_batcher, "_CALLS", {})  # these wait in the library
    with client.batcher(linger=0, attempt_timeout=1) as batcher, ThreadPoolExecutor() as threads:
        sent = threads.submit(batcher.add_tag, "u", ["a"], timeout=0.5)
        emulator.wait_for_arrivals(1)
        behind_it = threads.submit(batcher.add_tag, "u", ["b"], timeout=0.1)
        errors = [call.exception(20) for call in (sent, behind_it)]
        batcher.flush()
        with pytest.raises(TypeError, match="timeout: str, expected seconds"):
            threads.submit(batcher.add_tag, "u", ["c"], timeout="1").result(20)  # type: ignore[arg-type]
        threads.submit(batcher.add_tag, "u", ["d"], timeout=float("inf")).result(20)
    effects = [(type(error), error.effect) for error in errors if isinstance(error, imtag.ChangeError)]
    late = imtag.ChangeError.that_is(imtag.TimeoutError)
    assert effects == [(late, imtag.Effect.POSSIBLY_APPLIED), (late, imtag.Effect.NOT_APPLIED)]
    assert emulator.tags("u") == ["d"]


def test_a_batcher_that_is_dropped_with_changes_in_it_says_how_many_and_withdraws_them(
    emulator: Emulator, client: imtag.Client
) -> None:
    emulator.faults("add", HANGS)
    batcher = client.batcher(linger=0)
    sent = batcher.submit(imtag.add(b"u1", ["a", b"b", "a"]))
    emulator.wait_for_arrivals(1)
    behind_it = batcher.submit(imtag.clear("u1"))
    with pytest.warns(ResourceWarning, match="a batcher was dropped with 2 changes that have no outcome: close it"):
        del batcher
    errors = [future.exception(20) for future in (sent, behind_it)]
    assert [
        (str(error), error.effect, error.account, error.undone)
        for error in errors
        if isinstance(error, imtag.ChangeError) and isinstance(error, imtag.Cancelled)
    ] == [
        (CANCELLED.format('add "u1"', "possibly applied"), imtag.Effect.POSSIBLY_APPLIED, "u1", ("a", "b")),
        (CANCELLED.format('clear "u1"', "not applied"), imtag.Effect.NOT_APPLIED, "u1", ()),
    ]


def test_a_batcher_that_is_dropped_with_one_change_says_so_without_a_plural(client: imtag.Client) -> None:
    batcher = client.batcher(linger=LONG)
    submit(batcher, 1)
    with pytest.warns(ResourceWarning, match="a batcher was dropped with 1 change that has no outcome: close it"):
        del batcher


def pollers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "imtag-batcher"}


def test_a_batcher_that_is_garbage_ends_its_thread_without_a_warning(client: imtag.Client) -> None:
    others = pollers()
    batcher = client.batcher(linger=0)
    batcher.add_tag("u", ["a"])
    assert pollers() <= others  # only a change that is submitted needs one
    batcher.submit(imtag.add("u", ["b"])).result(20)
    (poller,) = pollers() - others
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            del batcher
        poller.join(20)
    finally:
        gc.enable()
    assert not poller.is_alive()


def test_a_batcher_with_nothing_to_do_wakes_no_thread(client: imtag.Client) -> None:
    others = pollers()
    with client.batcher() as batcher:
        batcher.submit(imtag.add("u", ["a"])).result(20)
        (poller,) = pollers() - others
        before = switches(poller)
        time.sleep(0.5)
        assert switches(poller) - before <= 2  # to go to sleep, if it had not yet


def switches(thread: threading.Thread) -> int:
    """How often it has given up the processor voluntarily."""
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text(encoding="utf-8")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["voluntary_ctxt_switches"])


def test_a_batcher_outlives_its_client_and_calls_a_credential_callback(emulator: Emulator) -> None:
    with emulator.client(secret_key=None, credential_callback=emulator.usersig) as client:
        batcher = client.batcher()
    with batcher:
        batcher.add_tag("u0", ["a"])
        batcher.submit(imtag.add("u1", ["a"])).result(20)
    with pytest.raises(imtag.ClosedError):
        client.batcher()
