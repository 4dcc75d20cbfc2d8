"""Bulk runs: changes are pulled from an iterable as there is room, pushed, and their outcomes handed out.

A change is pushed before the next is pulled, as that may be long in coming; only those of a collection, which has them
all, are pushed many at once.

One thread does it all, the one that iterates. Whatever is raised in it, by the iterable, by the progress function or by
a signal's handler, ends the run in the same way: nothing more is sent, what is under way is seen through, and then it
is raised; the outcomes are there for whoever goes on iterating.
"""

from __future__ import annotations

import ctypes
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sized
from ctypes import c_size_t, c_void_p
from itertools import count
from typing import Any, NoReturn

from . import _exit
from ._changes import Change, Outcome
from ._completions import settled
from ._credentials import Supplier
from ._errors import ChangeError, Error
from ._library import lib
from ._marshal import changes_flat
from ._options import Options
from ._progress import Asked, Progress
from ._raise import change_error, exception_of
from ._summary import Summary, read_summary

_AT_ONCE = 128  # changes of a collection
_SOON = 0.005  # seconds, after which changes of a slow collection are pushed, and outcomes looked for
_AS_LONG_AS_IT_TAKES = 2**64 - 1
_ENDED_WITH_WORD = (0, 1)  # IM_OK, and IM_PARTIAL, where each outcome says it


class Run:
    """An im_bulk, freed when neither its Bulk nor a method that runs has it any more."""

    __slots__ = ("__weakref__", "_kept", "pointer")

    def __init__(self, client: Any, options: Options, asked: Asked, supplier: Supplier | None) -> None:
        self.pointer = c_void_p()
        self._kept = asked, supplier  # which the library calls
        error = c_void_p()
        status = lib.im_bulk_new(client, ctypes.byref(self.pointer), ctypes.byref(error))
        try:
            if status != 0:
                raise exception_of(status, error)
        finally:
            lib.im_error_free(error)
        asked.bulk = self.pointer
        options.set("im_bulk", self.pointer)
        lib.im_bulk_set_progress(self.pointer, asked.callback, None)
        _exit.know(self)

    def end(self, until: float) -> None:
        """Send nothing more, as the interpreter ends, and wait for what cannot be ended at once: a callback."""
        lib.im_bulk_cancel(self.pointer)
        lib.im_bulk_cancel(self.pointer)
        while read_summary(self.pointer).unsettled and time.monotonic() < until:
            time.sleep(0.005)

    def __del__(self, free: Any = lib.im_bulk_free) -> None:
        if self.pointer:
            free(self.pointer)


class Bulk:
    """A bulk run, made by ``client.bulk``: an iterator of outcomes, in the order in which they become known.

    It is begun by the first step, and by nothing else. One thread iterates or finishes it; any may cancel it and look
    at its summary. A run that is left before its end is ended when nobody has it any more, or by ``close`` or ``with``.
    """

    def __init__(
        self,
        client: Any,
        supplier: Supplier | None,
        changes: Iterable[Change],
        progress: Progress | None,
        options: Options,
    ) -> None:
        self._run: Run | None = None
        self._input: Iterator[Change] | None = _iterator(changes)
        self._at_once = _AT_ONCE if isinstance(changes, Sized) else 1
        self._batch: list[Change] = []
        self._pending: dict[int, Change] = {}
        self._next_id = 0
        self._ready: deque[Outcome] = deque()
        self._poll_at = 0.0
        self._last = Summary()
        self.failures: list[ChangeError] = []
        """Why changes failed, of those that ``finish`` went through."""
        self._asked = Asked(progress)
        self._supplier = supplier
        self._run = Run(client, options, self._asked, supplier)

    @property
    def summary(self) -> Summary:
        """How far the run is; at the end, what it came to. From any thread."""
        run = self._run
        return self._last if run is None else read_summary(run.pointer)

    def cancel(self) -> None:
        """Send nothing more: what is under way is seen through, and what has not been sent fails as cancelled.

        Called again, it ends what is under way too. From any thread. Whoever iterates has all outcomes, and then
        imtag.Cancelled.
        """
        run = self._run
        if run is not None:
            self._asked.ends = True
            lib.im_bulk_cancel(run.pointer)

    def finish(self) -> Summary:
        """Go through all outcomes that are left, and keep the errors of those that failed in ``failures``.

        Raises what ended the run early, as iterating does.
        """
        for outcome in self:
            if outcome.error is not None:
                self.failures.append(outcome.error)
        return self.summary

    def close(self) -> None:
        """End the run, if it is not over: what is under way is cancelled, and nothing more is sent."""
        run = self._run
        if run is not None:
            self._last = read_summary(run.pointer)
            self._run = self._input = None

    def __enter__(self) -> Bulk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Bulk:
        return self

    def __next__(self) -> Outcome:
        """Raise, once all outcomes were handed out, what ended the run early: a wrong key, say, or a cancel."""
        while not self._ready:
            run = self._run
            if run is None:
                raise StopIteration
            try:
                over = self._step(run)
                raised = self._asked.take_raised()
                if raised is not None:
                    raise raised
            except BaseException:
                self._stop(run)
                raise
            finally:
                raised = None  # or an exception, by its traceback, would keep itself
            if over:
                self._end(run)
        return self._ready.popleft()

    def _step(self, run: Run) -> bool:
        """Push what the input has, or wait for outcomes. Says whether there are none left."""
        if self._supplier is not None:
            self._supplier.ready()
        if self._input is None:
            self._poll(run, _AS_LONG_AS_IT_TAKES)
            return not self._ready
        now = time.monotonic()
        more = self._gather(self._input, now + _SOON)
        self._push(run)
        if not more:
            self._input = None
        if self._input is None:
            lib.im_bulk_end_of_input(run.pointer, None)
        elif now >= self._poll_at:
            self._poll(run, 0)
            self._poll_at = now + _SOON
        return False

    def _gather(self, changes: Iterator[Change], until: float) -> bool:
        """Pull changes; says whether there may be more."""
        batch = self._batch
        for change in changes:
            if not isinstance(change, Change):
                place = f"changes[{self._next_id + len(batch)}]"
                kind = type(change).__name__
                raise TypeError(f"{place}: {kind}, expected imtag.Change: write imtag.add(account, [tag, ...])")
            batch.append(change)
            if len(batch) >= self._at_once or time.monotonic() >= until:
                return True
        return False

    def _push(self, run: Run) -> None:
        """Push the batch. A run that has ended takes no more: each that is left has its own error."""
        refused: list[Outcome] = []
        taken, error = c_size_t(), c_void_p()
        while self._batch:
            # once one was refused they are offered one by one
            offered = self._batch[:1] if refused else self._batch
            operations, flat = changes_flat(offered)
            first = self._next_id
            self._pending.update(zip(count(first), offered))
            status = lib.im_bulk_push_flat(
                run.pointer, operations, first, *flat.arguments, ctypes.byref(taken), ctypes.byref(error)
            )
            done = taken.value
            self._next_id = first + done
            if status == 0:
                del self._batch[:done]
                continue
            try:
                for number in range(first + done, first + len(offered)):
                    del self._pending[number]
                if not lib.im_error_failure_count(error):  # it is the run's: in a forked child
                    raise exception_of(status, error)
                refused.append(Outcome(offered[done], change_error(error)))
                del self._batch[: done + 1]
                self._input = None
            finally:
                lib.im_error_free(error)
        self._ready += refused

    def _poll(self, run: Run, timeout_ms: int) -> None:
        completions, error = c_void_p(), c_void_p()
        status = lib.im_bulk_poll(run.pointer, timeout_ms, ctypes.byref(completions), ctypes.byref(error))
        try:
            if status != 0:
                raise exception_of(status, error)
            ids, errors = settled(completions)
            changes = self._pending
            self._ready += [Outcome(changes[number], errors.get(number)) for number in ids]
            for number in ids:
                del changes[number]
        finally:
            lib.im_error_free(error)
            lib.im_completions_free(completions)

    def _stop(self, run: Run) -> None:
        """Send nothing more, wait for what is under way, and have all outcomes ready."""
        self._input = None
        if not self._asked.ends:
            self.cancel()
        try:
            self._push(run)
            self._finish(run)
            self._poll(run, 0)
        except Error:  # in a forked child, which has none of the run
            self._batch.clear()
        self._close(run)

    def _end(self, run: Run) -> None:
        """Raise what ended the run early, if anything did."""
        ended = self._finish(run)
        self._close(run)
        if ended is not None:
            raise ended

    def _close(self, run: Run) -> None:
        self._last = read_summary(run.pointer)
        self._run = None

    @staticmethod
    def _finish(run: Run) -> Error | None:
        error = c_void_p()
        status = lib.im_bulk_finish(run.pointer, ctypes.byref(error))
        try:
            return None if status in _ENDED_WITH_WORD else exception_of(status, error)
        finally:
            lib.im_error_free(error)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an imtag.Bulk cannot be copied or pickled: its changes are sent by this process")

    def __repr__(self) -> str:
        return f"<imtag.Bulk {self.summary}{' over' if self._run is None else ''}>"

    def __del__(self, warn: Any = warnings.warn) -> None:
        run = getattr(self, "_run", None)
        unsettled = 0 if run is None else read_summary(run.pointer).unsettled
        if unsettled:
            warn(f"a bulk run was dropped with {unsettled} changes that have no outcome", ResourceWarning, source=self)


def _iterator(changes: Iterable[Change]) -> Iterator[Change]:
    if isinstance(changes, Change):  # which is a tuple too
        raise TypeError("changes: Change, expected several: write [change] in place of change")
    if not isinstance(changes, Iterable):
        raise TypeError(f"changes: {type(changes).__name__}, expected an iterable of imtag.Change")
    return iter(changes)
