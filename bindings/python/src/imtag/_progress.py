"""The progress callback of a bulk run: checks signals, and calls the caller's function, on the thread of the run.

As in ``_interrupt``, the library calls a generator's ``send``, which a signal handler cannot interrupt before its
``try``. An exception must not escape, as ctypes would print and drop it: it is kept, the run is cancelled, and the
method of the run raises it. Each reason cancels once, as a second cancellation would end requests in flight too; the
second Ctrl-C does.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator
from ctypes import c_void_p
from typing import Any

from ._prototypes import PROGRESS
from ._summary import Summary, read_summary

Progress = Callable[[Summary], Any]


class ProgressCallback:
    """The callback of one run, and the exception that was raised in it."""

    __slots__ = ("__weakref__", "_progress", "_raised", "bulk", "callback", "cancelled")

    def __init__(self, progress: Progress | None) -> None:
        if progress is not None and not callable(progress):
            raise TypeError(f"progress: {type(progress).__name__}, expected a callable")
        self._progress = progress
        self._raised: BaseException | None = None
        self.bulk = c_void_p()
        """The im_bulk, once there is one."""
        self.cancelled = False
        """Whether the run has been cancelled, here or by ``Bulk.cancel``."""
        # weak, as the garbage collector does not see references of ctypes, and the function may refer to the run
        loop = _callback_loop(weakref.ref(self))
        loop.send(None)
        # it gets only the run: the context, the second argument, is not read
        self.callback = PROGRESS(loop.send)

    def take_raised(self) -> BaseException | None:
        """Return what was raised since the last call."""
        raised, self._raised = self._raised, None
        return raised

    def _call(self) -> int:
        progress = self._progress
        if progress is None or not progress(read_summary(self.bulk)):
            return 0
        self._progress = None
        self.cancelled = True
        return 1

    def _keep(self, raised: BaseException) -> None:
        self._progress = None
        self.cancelled = True
        self._raised = raised


def _callback_loop(this: weakref.ref[ProgressCallback]) -> Generator[int, Any, None]:
    answer = 0
    while True:
        try:
            while True:
                yield answer
                answer = 0
                callback = this()
                if callback is not None:
                    answer = callback._call()
                callback = None
        except GeneratorExit:
            raise
        except BaseException as exception:
            answer = 1
            callback = this()
            if callback is not None:
                callback._keep(exception)
            callback = None
