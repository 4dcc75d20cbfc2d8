"""gevent and eventlet: where they take the place of Python's threads, a call that blocks is made by a thread of theirs.

After ``monkey.patch_all()`` every thread of Python is a green one of a single real thread, and all of them stand still
while one of them is in the library. So what a batcher waits for is waited for by a real thread of gevent's pool or
eventlet's; the green thread that asked goes on when it comes back.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from typing import Any

from ._exit import end_all

_ends_before_eventlet: list[bool] = []


def pool() -> Callable[..., Any] | None:
    """Return what calls ``function(*arguments)`` on a real thread; None where threads are Python's own."""
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        return _on_gevents
    patcher: Any = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.is_monkey_patched("thread"):
        return _on_eventlets
    return None


def blocking(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the library that may wait."""
    on_real_thread = pool()
    return function(*arguments) if on_real_thread is None else on_real_thread(function, *arguments)


def _on_gevents(function: Callable[..., Any], *arguments: Any) -> Any:
    import gevent

    return gevent.get_hub().threadpool.apply(function, arguments)


def _on_eventlets(function: Callable[..., Any], *arguments: Any) -> Any:
    from eventlet import tpool

    if not _ends_before_eventlet:  # which waits at exit for its threads: batchers end first, as what is last registered
        _ends_before_eventlet.append(True)
        atexit.register(end_all)
    return tpool.execute(function, *arguments)
