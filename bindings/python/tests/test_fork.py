from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
from emulator import HANGS, Emulator

import imtag


def in_child(work: Callable[[], bool]) -> None:
    """Fork, and fail unless the work returns True in the child, in time."""
    child = os.fork()
    if child == 0:
        fine = False
        try:
            fine = work()
        finally:
            os._exit(0 if fine else 1)
    end = time.monotonic() + 20
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid == child:
            break
        if time.monotonic() > end:
            os.kill(child, 9)
            os.waitpid(child, 0)
            pytest.fail("the child hangs")
        time.sleep(0.01)
    assert os.WIFEXITED(status)
    assert os.WEXITSTATUS(status) == 0


def test_a_child_uses_its_parents_client(emulator: Emulator, client: imtag.Client) -> None:
    client.add_tag({"parent": ["before"]})
    in_child(lambda: client.add_tag({"child": ["a"]}).accounts == 1)
    client.add_tag({"parent": ["after"]})
    assert (emulator.tags("parent"), emulator.tags("child")) == (["after", "before"], ["a"])


def test_a_fork_during_a_call_affects_neither_process(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 1500})
    cancel = imtag.Cancel()
    accounts: list[int] = []

    def call() -> None:
        accounts.append(client.add_tag({"parent": ["a"]}, cancel=cancel).accounts)

    thread = threading.Thread(target=call)
    thread.start()
    emulator.wait_for_arrivals(1)

    def child() -> bool:
        cancel.cancel()  # it does not end the parent's call
        client.get_tag(["parent"])
        client.close()
        return True

    in_child(child)
    thread.join(20)
    assert accounts == [1]
    assert emulator.tags("parent") == ["a"]


def test_a_fork_from_a_thread_during_a_call_of_the_main_thread(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 1500})
    failed: list[BaseException] = []

    def fork() -> None:
        try:
            emulator.wait_for_arrivals(1)
            in_child(lambda: client.add_tag({"child": ["a"]}).accounts == 1)
        except BaseException as exception:
            failed.append(exception)

    thread = threading.Thread(target=fork)
    thread.start()
    assert client.add_tag({"parent": ["a"]}).accounts == 1
    thread.join(20)
    assert failed == []
    assert (emulator.tags("parent"), emulator.tags("child")) == (["a"], ["a"])


def add(client: imtag.Client, account: str, queue: multiprocessing.Queue[object]) -> None:
    try:
        queue.put(client.add_tag({account: ["a"]}, timeout=0.5, attempt_timeout=0.5))
    except imtag.Error as error:
        queue.put(error)


def test_multiprocessing_passes_results_and_errors(emulator: Emulator, client: imtag.Client) -> None:
    processes = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[object] = processes.Queue()
    child = processes.Process(target=add, args=(client, "child", queue))
    child.start()
    done = queue.get(timeout=20)
    child.join(20)
    assert isinstance(done, imtag.Result)
    assert done.accounts == 1
    emulator.faults("add", HANGS)
    child = processes.Process(target=add, args=(client, "child", queue))
    child.start()
    error = queue.get(timeout=20)
    child.join(20)
    assert isinstance(error, imtag.TimeoutError)
    assert error.effect is imtag.Effect.POSSIBLY_APPLIED
    assert child.exitcode == 0
    queue.close()


def test_a_childs_use_of_its_parents_batcher_is_refused_and_its_end_is_in_order(
    emulator: Emulator, client: imtag.Client
) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 500})
    batcher = client.batcher(linger=0)
    future = batcher.submit(imtag.add("parent", ["a"]))
    emulator.wait_for_arrivals(1)

    def child() -> bool:
        for use in (
            lambda: batcher.add_tag("child", ["a"]),
            lambda: batcher.submit(imtag.add("child", ["a"])),
            batcher.flush,
            batcher.close,
        ):
            with pytest.raises(imtag.Misuse, match="belongs to the process that this one was forked from"):
                use()
        batcher.__del__()
        with client.batcher() as own:
            own.add_tag("child", ["b"])
            own.submit(imtag.add("child", ["c"])).result(20)
        return True

    in_child(child)
    batcher.close()
    assert future.result(0) is None
    assert (emulator.tags("parent"), emulator.tags("child")) == (["a"], ["b", "c"])


def test_a_childs_use_of_its_parents_run_is_refused_and_the_parents_goes_on(
    emulator: Emulator, client: imtag.Client
) -> None:
    run = client.bulk([imtag.add("", []), imtag.add("parent", ["a"]), imtag.add("parent", ["b"])], linger=60)
    first = next(run)

    def child() -> bool:
        with pytest.raises(imtag.Misuse, match="belongs to the process that this one was forked from"):
            for _ in run:
                pass
        run.close()
        return client.bulk([imtag.add("child", ["a"])]).finish().done == 1

    in_child(child)
    assert first.error is not None
    assert run.finish().done == 2
    assert (emulator.tags("parent"), emulator.tags("child")) == (["a", "b"], ["a"])


CHILD_THAT_ENDS = """
import imtag, json, os, sys
client = imtag.Client(**json.loads(sys.argv[1]))
batcher = client.batcher(linger=60)
batcher.submit(imtag.add("parent", ["a"]))
child = os.fork()
if child == 0:
    sys.exit(7)  # the interpreter ends with all of its hooks
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
batcher.close()
"""


def test_the_exit_of_a_child_does_not_hang_on_its_parents_batcher(emulator: Emulator) -> None:
    settings = json.dumps({**emulator.app, "secret_key": emulator.secret_key, "endpoint": emulator.endpoint})
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", CHILD_THAT_ENDS, settings]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "7\n", "")
    assert emulator.tags("parent") == ["a"]
