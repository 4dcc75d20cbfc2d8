"""Threads wait for the outcomes of their changes, whatever callbacks and other threads do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from emulator import HANGS, Emulator

import imtag
from imtag import _batcher, _submissions
from imtag._library import lib
from imtag._submissions import Waiter

LONG = 60.0  # longer than any test takes
IM_CANCELLED = 9


@pytest.mark.parametrize("timeout", [None, LONG])
def test_a_slow_callback_delays_no_thread(client: imtag.Client, timeout: float | None) -> None:
    running, over = threading.Event(), threading.Event()

    def callback(_: Future[None]) -> None:
        running.set()
        over.wait(LONG)

    with ThreadPoolExecutor() as threads, client.batcher(linger=0) as batcher:
        batcher.submit(imtag.add("u1", ["a"])).add_done_callback(callback)
        try:
            assert running.wait(20)
            threads.submit(batcher.add_tag, "u2", ["a"], timeout=timeout).result(20)
        finally:
            over.set()


def test_a_thread_whose_time_is_up_returns_while_a_callback_runs(emulator: Emulator, client: imtag.Client) -> None:
    running, over = threading.Event(), threading.Event()

    def callback(_: Future[None]) -> None:
        running.set()
        over.wait(LONG)

    with ThreadPoolExecutor() as threads, client.batcher(linger=0, attempt_timeout=1) as batcher:
        batcher.submit(imtag.add("u1", ["a"])).add_done_callback(callback)
        try:
            assert running.wait(20)
            emulator.faults("add", HANGS)
            error = threads.submit(batcher.add_tag, "u2", ["a"], timeout=0.2).exception(20)
        finally:
            over.set()
    assert isinstance(error, imtag.TimeoutError)
    assert error.effect is imtag.Effect.POSSIBLY_APPLIED


@pytest.mark.parametrize("timeout", [None, LONG])
def test_a_callback_may_take_a_lock_that_a_waiting_thread_holds(client: imtag.Client, timeout: float | None) -> None:
    lock, taken = threading.Lock(), threading.Event()

    def callback(_: Future[None]) -> None:
        if lock.acquire(timeout=LONG):
            taken.set()
            lock.release()

    def work() -> None:
        with lock:
            batcher.submit(imtag.add("u1", ["a"])).add_done_callback(callback)
            batcher.add_tag("u2", ["a"], timeout=timeout)
            assert not taken.is_set()

    with ThreadPoolExecutor() as threads, client.batcher(linger=0) as batcher:
        threads.submit(work).result(20)
        assert taken.wait(20)


def test_a_callback_may_wait_for_a_change_while_others_run(client: imtag.Client) -> None:
    ends = threading.Semaphore(0)

    def callback(_: Future[None]) -> None:
        batcher.add_tag("u", ["a"], timeout=LONG)
        ends.release()

    with client.batcher(linger=0) as batcher:
        for number in range(3):
            batcher.submit(imtag.add(f"u{number}", ["a"])).add_done_callback(callback)
        for _ in range(3):
            assert ends.acquire(timeout=20)


def first_of_six(
    batcher: imtag.Batcher, monkeypatch: pytest.MonkeyPatch, leave: Callable[[list[Future[None]]], None]
) -> tuple[BaseException | None, list[Future[None]]]:
    """Six threads share a request. The first is still in `leave` when its change has its outcome."""
    taken, others = threading.Event(), list[Future[None]]()
    submit_to_library = lib.im_batcher_submit_flat

    def submit(*arguments: Any) -> int:
        status: int = submit_to_library(*arguments)
        if not taken.is_set():
            taken.set()
            wait_until(lambda: batcher._submissions is not None and len(batcher._submissions.wake_queue) == 5)
            leave(others)
        return status

    monkeypatch.setattr(lib, "im_batcher_submit_flat", submit)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(batcher.add_tag, "u0", ["a"])
        assert taken.wait(20)
        others += [threads.submit(batcher.add_tag, f"u{number}", ["a"]) for number in range(1, 6)]
        wait_until(lambda: batcher.unsettled == 6)
        threads.submit(batcher.flush)
        error = first.exception(20)
        try:
            for other in others:
                other.exception(20)
        finally:  # else the pool would wait for threads that no other wakes
            assert batcher._submissions is not None
            while batcher._submissions.wake_queue:
                _submissions.wake_first(batcher._submissions.wake_queue)
    return error, others


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_a_thread_that_an_exception_ends_before_it_waits_wakes_the_others(
    client: imtag.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_submissions, "_WAKE_CHECK_MS", 60_000)

    def leave(_: list[Future[None]]) -> None:
        raise KeyboardInterrupt

    with client.batcher(linger=LONG) as batcher:
        error, others = first_of_six(batcher, monkeypatch, leave)
    assert isinstance(error, KeyboardInterrupt)
    assert [other.exception(0) for other in others] == [None] * 5


def test_a_thread_that_is_woken_and_does_not_go_on_delays_no_other(
    client: imtag.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(others: list[Future[None]]) -> None:
        for other in others:
            other.exception(20)

    with client.batcher(linger=LONG) as batcher:
        error, others = first_of_six(batcher, monkeypatch, leave)
    assert error is None
    assert [other.exception(0) for other in others] == [None] * 5


def test_an_exception_that_ends_a_wait_withdraws_the_change(
    emulator: Emulator, client: imtag.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Waiter, "wait", interrupted)
    with ThreadPoolExecutor() as threads, client.batcher(linger=LONG) as batcher:
        assert isinstance(threads.submit(batcher.add_tag, "u", ["a"]).exception(20), KeyboardInterrupt)
        assert batcher.unsettled == 0
    assert emulator.arrivals() == 0


class Left(BaseException):
    """Ends a green thread while a real one is in the library for it."""


def leaves(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], int]]:
    """The calls of the real thread, which the green one leaves before they are made."""
    later: list[Callable[[], int]] = []

    def blocking(function: Callable[[], int]) -> int:
        later.append(function)
        raise Left

    monkeypatch.setattr(_batcher, "blocking", blocking)
    return later


def test_a_change_that_is_taken_after_its_green_thread_left_is_withdrawn(
    emulator: Emulator, client: imtag.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client.batcher(linger=LONG) as batcher:
        with monkeypatch.context() as patch:
            later = leaves(patch)
            with pytest.raises(Left):
                batcher.submit(imtag.add("u", ["a"]))
        assert [call() for call in later] == [0]
        assert batcher.unsettled == 0
    assert emulator.arrivals() == 0


def test_a_call_that_goes_on_after_its_green_thread_left_is_cancelled(
    emulator: Emulator, client: imtag.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client.batcher(linger=LONG) as batcher:
        with monkeypatch.context() as patch:
            later = leaves(patch)
            with pytest.raises(Left):
                batcher.add_tag("u", ["a"], cancel=imtag.Cancel())
        assert [call() for call in later] == [IM_CANCELLED]
    assert emulator.arrivals() == 0
