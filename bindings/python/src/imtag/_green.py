"""gevent and eventlet: if they replace Python's threads, a real thread of their pool makes each call that blocks.

After ``monkey.patch_all()`` every Python thread is a green thread of one real thread, and all of them stop while one is
in the library. So a real thread of gevent's or eventlet's pool makes the wait of a batcher; the green thread resumes
when that returns.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from typing import Any

from ._exit import end_all

_ends_before_eventlet: list[bool] = []


def pool() -> Callable[..., Any] | None:
    """Return a function that calls ``function(*arguments)`` on a real thread; None if threads are Python's own."""
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

    if not _ends_before_eventlet:  # it waits for its threads at exit; batchers end first, as registered last
        _ends_before_eventlet.append(True)
        atexit.register(end_all)
    return tpool.execute(function, *arguments)
