"""What a case says of changes, times and cancels, as the package takes it; and what it waits for."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import imtag

_harness = threading.Lock()


def text(of: Any) -> str | bytes:
    """Return a text of a case, which may be any bytes."""
    return of if isinstance(of, str) else bytes.fromhex(of["hex"])


def change_of(change: dict[str, Any]) -> imtag.Change:
    """Return a change of a case."""
    account = text(change["account"])
    if change["operation"] == "clear":
        return imtag.clear(account)
    make = {"add": imtag.add, "remove": imtag.remove, "replace": imtag.replace}[change["operation"]]
    return make(account, [text(tag) for tag in change["tags"]])


def milliseconds_gone(settings: dict[str, Any]) -> dict[str, Any]:
    """Turn ``name_ms`` into ``name`` in seconds."""
    return {
        name[: -len("_ms")] if name.endswith("_ms") else name: value / 1000 if name.endswith("_ms") else value
        for name, value in settings.items()
    }


def await_arrivals(count: int) -> None:
    """Wait until the server has so many requests."""
    with _harness:
        print(json.dumps({"await_arrivals": count}), flush=True)
        sys.stdin.buffer.readline()


def thread(function: Callable[..., Any], *arguments: Any) -> threading.Thread:
    """Run a function on a thread of its own."""
    started = threading.Thread(target=function, args=arguments)
    started.start()
    return started


@contextmanager
def call_options(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a call's times, and its cancel, which another thread calls when the case says so."""
    options = milliseconds_gone({name: call[name] for name in ("timeout_ms", "attempt_timeout_ms") if name in call})
    over, canceller = threading.Event(), None
    if "cancel_after_ms" in call or "cancel_after_arrivals" in call:
        cancel = options["cancel"] = imtag.Cancel()
        if call.get("cancel_after_ms") == 0:
            cancel.cancel()
        else:
            canceller = thread(_cancel_when_due, call, cancel, over)
    try:
        yield options
    finally:
        over.set()
        if canceller is not None:
            canceller.join()


def _cancel_when_due(call: dict[str, Any], cancel: imtag.Cancel, over: threading.Event) -> None:
    if "cancel_after_arrivals" in call:
        await_arrivals(call["cancel_after_arrivals"])
        cancel.cancel()
    elif not over.wait(call["cancel_after_ms"] / 1000):
        cancel.cancel()
