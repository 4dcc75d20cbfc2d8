"""Lets a bulk run ask, on the thread that is in it, whether to go on: signals, and the caller's progress function.

As in ``_interrupt`` the library calls a generator's ``send``, which a signal's handler cannot hit before its ``try``.
What is raised in it must not escape, as ctypes would print and drop it: it is kept, the run is told to end, and its
method raises it. A yes is given once for each reason, as a second one would end what is under way too; so the second
Ctrl-C does.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator
from ctypes import c_void_p
from typing import Any

from ._prototypes import PROGRESS
from ._summary import Summary, read_summary

Progress = Callable[[Summary], Any]


class Asked:
    """The callback of one run, and what was raised in it."""

    __slots__ = ("__weakref__", "_progress", "_raised", "bulk", "callback", "ends")

    def __init__(self, progress: Progress | None) -> None:
        if progress is not None and not callable(progress):
            raise TypeError(f"progress: {type(progress).__name__}, expected a callable")
        self._progress = progress
        self._raised: BaseException | None = None
        self.bulk = c_void_p()
        """The im_bulk, once there is one."""
        self.ends = False
        """Whether the run was told to send nothing more, here or by others."""
        # weak, as the garbage collector cannot look through ctypes, and the function may lead back to the run
        answers = _answers(weakref.ref(self))
        answers.send(None)
        # it is handed the run alone: the context, the second argument, is left where it is
        self.callback = PROGRESS(answers.send)

    def take_raised(self) -> BaseException | None:
        """Return what was raised since this was asked last."""
        raised, self._raised = self._raised, None
        return raised

    def _ask(self) -> int:
        progress = self._progress
        if progress is None or not progress(read_summary(self.bulk)):
            return 0
        self._progress = None
        self.ends = True
        return 1

    def _keep(self, raised: BaseException) -> None:
        self._progress = None
        self.ends = True
        self._raised = raised


def _answers(this: weakref.ref[Asked]) -> Generator[int, Any, None]:
    answer = 0
    while True:
        try:
            while True:
                yield answer
                answer = 0
                asked = this()
                if asked is not None:
                    answer = asked._ask()
                asked = None
        except GeneratorExit:
            raise
        except BaseException as exception:
            answer = 1
            asked = this()
            if asked is not None:
                asked._keep(exception)
            asked = None
