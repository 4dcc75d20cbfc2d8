from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emulator import HANGS, Emulator

import imtag
from imtag._marshal import users_flat

USERS = {"xiaojun012": ["a"]}


class Background:
    """A call on a thread of its own, and its result."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.outcome: Any = None
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.outcome = self._call()
        except BaseException as exception:
            self.outcome = exception

    def join(self) -> Any:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.outcome


def test_one_client_serves_eight_threads(client: imtag.Client) -> None:
    def work(number: int) -> int:
        for step in range(5):
            client.add_tag({f"user-{number}": [f"tag-{step}"]})
        return len(client.get_tag([f"user-{number}"]).users[f"user-{number}"])

    threads = [Background(lambda number=number: work(number)) for number in range(8)]  # type: ignore[misc]
    assert [thread.join() for thread in threads] == [5] * 8


def test_threads_run_while_a_call_waits(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", HANGS)
    cancel = imtag.Cancel()
    hanging = Background(lambda: client.add_tag(USERS, cancel=cancel))
    emulator.wait_for_arrivals(1)
    assert client.get_tag(["xiaojun012"]).accounts == 1
    cancel.cancel()
    assert isinstance(hanging.join(), imtag.Cancelled)


def test_a_call_that_runs_during_close_ends_normally(emulator: Emulator) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 500})
    client = emulator.client()
    running = Background(lambda: client.add_tag(USERS))
    emulator.wait_for_arrivals(1)
    client.close()
    with pytest.raises(imtag.ClosedError):
        client.get_tag(["xiaojun012"])
    assert running.join().accounts == 1


def test_one_cancel_ends_several_calls_at_once_and_later_ones(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", HANGS, HANGS, HANGS)
    cancel = imtag.Cancel()
    assert not cancel.cancelled
    running = [Background(lambda: client.add_tag(USERS, cancel=cancel)) for _ in range(3)]
    emulator.wait_for_arrivals(3)
    cancel.cancel()
    cancel.cancel()
    for call in running:
        error = call.join()
        assert isinstance(error, imtag.Cancelled)
        assert error.effect is imtag.Effect.POSSIBLY_APPLIED
    with pytest.raises(imtag.Cancelled):
        client.get_tag(["xiaojun012"], cancel=cancel)
    assert cancel.cancelled
    assert emulator.arrivals() == 3


def test_a_cancel_whose_calls_have_ended_serves_others(client: imtag.Client) -> None:
    cancel = imtag.Cancel()
    for _ in range(3):
        client.add_tag(USERS, cancel=cancel)
    assert cancel._calls == {}
    assert repr(cancel) == "<imtag.Cancel not cancelled>"


def sockets() -> int:
    """How many sockets this process has open."""
    return sum(file.is_socket() for file in Path("/proc/self/fd").iterdir())


def test_a_client_that_is_garbage_is_freed_and_closes_its_connections(emulator: Emulator) -> None:
    before = sockets()
    client = emulator.client()
    client.add_tag(USERS)
    assert sockets() == before + 1
    del client
    assert sockets() == before


def test_close_closes_the_connections_although_an_error_is_kept(emulator: Emulator) -> None:
    before = sockets()
    gc.disable()
    try:
        with emulator.client() as client:
            client.add_tag(USERS)
            with pytest.raises(imtag.InvalidRequest) as kept:
                client.add_tag({"a": [""]})
            assert sockets() == before + 1
        assert sockets() == before
    finally:
        gc.enable()
    assert kept.value.violations


def test_a_list_that_changes_while_it_is_read_moves_no_tag_to_another_account() -> None:
    tags = ["a"]

    def change(frame: Any, event: str, _: Any) -> Any:
        if event == "line":
            tags.append("x")  # between any two lines, as another thread might
        return change if frame.f_code.co_name == "users_flat" else None

    sys.settrace(change)
    try:
        flat = users_flat({"u1": tags, "u2": ["b"]})
    finally:
        sys.settrace(None)
    text, _, counts = flat.kept
    assert counts is not None
    assert len(tags) > 1
    assert text.count(0) == len(counts) + sum(counts)  # a NUL after each text
