"""The life of a batcher of a case."""

from __future__ import annotations

import os
import pickle
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Callable

from options import await_arrivals, call_options, change_of, milliseconds_gone
from outcome import failure_of

import imtag


def play_batcher(client: imtag.Client, case: dict[str, Any], show: Callable[[imtag.Stats], None]) -> dict[str, Any]:
    """Make a batcher, do the steps one after the other, and close it."""
    batcher = client.batcher(**milliseconds_gone(case["options"]))
    steps = case["steps"]
    ends: dict[int, Future[None]] = {}
    with ThreadPoolExecutor(len(steps) + 1) as threads:
        for number, step in enumerate(steps):
            end = _begun(batcher, step, threads, ends)
            if end is not None:
                ends[number] = end
        batcher.close()  # also where a step did so, as its time may have been up
        wait(ends.values())
    show(batcher.stats())
    failures = []
    for number, end in ends.items():
        error = end.exception()
        if isinstance(error, imtag.Error):
            failures.append(failure_of(error, step=number))
        elif error is not None:
            raise error
    return {"status": "ok", "done": len(ends) - len(failures), "failures": failures}


def _begun(
    batcher: imtag.Batcher, step: dict[str, Any], threads: ThreadPoolExecutor, ends: dict[int, Future[None]]
) -> Future[None] | None:
    """Do a step; returns how it ends, if it may fail."""
    if "submit" in step:
        submitted = _done(batcher.submit, change_of(step["submit"]))
        return submitted.result() if submitted.exception() is None else submitted
    if "call" in step:
        return threads.submit(_called, batcher, step)
    if "flush" in step or "close" in step:
        with call_options(step) as options:
            return _done(batcher.flush if "flush" in step else batcher.close, **options)
    if "fork" in step:
        return _done(_forked, batcher, change_of(step["fork"]))
    if "join" in step:
        wait(ends.values())
    elif "await_arrivals" in step:
        await_arrivals(step["await_arrivals"])
    else:
        while batcher.unsettled != step["await_unsettled"]:
            time.sleep(0.001)
    return None


def _called(batcher: imtag.Batcher, step: dict[str, Any]) -> None:
    change = change_of(step["call"])
    with call_options(step) as options:
        if change.operation is imtag.Operation.CLEAR:
            batcher.clear_tags(change.account, **options)
        else:
            call = {
                imtag.Operation.ADD: batcher.add_tag,
                imtag.Operation.REMOVE: batcher.remove_tag,
                imtag.Operation.REPLACE: batcher.replace_tags,
            }
            call[change.operation](change.account, change.tags, **options)


def _forked(batcher: imtag.Batcher, change: imtag.Change) -> None:
    """Submit a change in a child, and raise what it raises there."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            error = _done(lambda: batcher.submit(change).result()).exception()
            os.write(writes, pickle.dumps(error))
        finally:
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as said:
        error = pickle.load(said)
    os.waitpid(child, 0)
    if error is not None:
        raise error


def _done(function: Callable[..., Any], *arguments: Any, **options: Any) -> Future[Any]:
    """Call a function; returns what it returned, or the error that it raised."""
    end: Future[Any] = Future()
    try:
        end.set_result(function(*arguments, **options))
    except imtag.Error as error:
        end.set_exception(error)
    return end
