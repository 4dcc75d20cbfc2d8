"""Bulk runs: changes are pulled from an iterable as there is capacity, pushed, and their outcomes handed out.

A change is pushed before the next is pulled, as that may be long in coming; only those of a collection, which has them
all, are pushed many at once.

One thread does it all, the one that iterates. Whatever is raised in it, by the iterable, by the progress function or by
a signal's handler, ends the run in the same way: nothing more is sent, what is under way is seen through, and then it
is raised; the outcomes are there for whoever goes on iterating.

A signal's handler may raise between any two steps of this file, most likely as a call of the library comes back. So
what such a call leaves is kept before it is made, and what follows from it is noted by one update of the object.
One thing cannot be had: an outcome that a step has just handed out is lost if a handler raises before the caller has
it, as with any iterator; ``finish`` loses none.
Nothing that comes and goes with each change has a ``__del__``, as what is raised in one is dropped.
"""

from __future__ import annotations

import ctypes
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sized
from ctypes import c_size_t, c_void_p
from itertools import count, islice, repeat
from operator import attrgetter, length_hint
from typing import Any, NoReturn

from . import _exit
from ._changes import Change, Outcome, WrongType
from ._completions import read_completions
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
_ERROR = attrgetter("error")
_CAME_TO_ITS_END = (0, 1)  # IM_OK; IM_PARTIAL, where each outcome says what failed


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

    def end(self, until: float) -> None:
        """Send nothing more, and wait for what cannot be ended at once: a callback."""
        lib.im_bulk_cancel(self.pointer)
        lib.im_bulk_cancel(self.pointer)
        while read_summary(self.pointer).unsettled and time.monotonic() < until:
            time.sleep(0.005)

    def __del__(self, free: Any = lib.im_bulk_free) -> None:
        if self.pointer:
            free(self.pointer)


class _Offer:
    """Changes in a push: how many were taken, from the first on, and the im_error of the one that was not, if any."""

    __slots__ = ("changes", "error", "first", "taken")

    def __init__(self, changes: list[Change], first: int) -> None:
        self.changes = changes
        self.first = first
        self.taken, self.error = c_size_t(), c_void_p()

    def push(self, run: Run) -> None:
        """Push them; blocks while the run is full."""
        operations, flat = changes_flat(self.changes)
        left = ctypes.byref(self.taken), ctypes.byref(self.error)
        lib.im_bulk_push_flat(run.pointer, operations, self.first, *flat.arguments, *left)


class Bulk:
    """A bulk run, made by ``client.bulk``: an iterator of outcomes, in the order in which they become known.

    It is begun by the first step, and by nothing else. One thread iterates or finishes it; any may cancel it and look
    at its summary. A run that is left before its end is ended when nobody has it any more, or by ``close`` or ``with``;
    a ResourceWarning says what it leaves undone: changes without outcome, or all of them where it was never begun.
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
        self._begun = False
        self._input: Iterator[Change] | None = _iterator(changes)
        self._at_once = _AT_ONCE if isinstance(changes, Sized) else 1
        self._batch: list[Change] = []
        self._offer: _Offer | None = None
        self._completions = c_void_p()
        self._pending: dict[int, Change] = {}
        self._next_id = 0
        self._ready: deque[Outcome] = deque()
        self._poll_at = 0.0
        self._not_taken = 0
        self._last = Summary()
        self.failures: list[ChangeError] = []
        """Why changes failed, of those that ``finish`` went through."""
        self._asked = Asked(progress)
        self._supplier = supplier
        self._run = Run(client, options, self._asked, supplier)
        _exit.know(self)

    @property
    def summary(self) -> Summary:
        """How far the run is; at the end, what it came to. From any thread."""
        run = self._run
        return self._last if run is None else read_summary(run.pointer, self._not_taken)

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
        while self._has_outcomes():
            # taken out and kept in one call of C, which no handler comes between
            taken = map(deque.popleft, repeat(self._ready, len(self._ready)))
            self.failures.extend(filter(None, map(_ERROR, taken)))
        return self.summary

    def close(self) -> None:
        """End the run, if it is not over: what is under way is cancelled, and nothing more is sent."""
        run = self._run
        if run is not None:
            self._input = None
            self._close(run)

    def __enter__(self) -> Bulk:
        return self

    def __exit__(self, raised: object, *_: object) -> None:
        left = None if raised else self._unstarted()
        self.close()
        if left:
            warnings.warn(left, ResourceWarning, source=self, stacklevel=2)

    def __iter__(self) -> Bulk:
        return self

    def __next__(self) -> Outcome:
        """Raise, once all outcomes were handed out, what ended the run early: a wrong key, say, or a cancel."""
        if not self._has_outcomes():
            raise StopIteration
        return self._ready.popleft()

    def _has_outcomes(self) -> bool:
        """Go on until there are any; False at the end."""
        while not self._ready:
            run = self._run
            if run is None:
                return False
            try:
                over = self._step(run)
                self._raise_what_was_raised()
            except BaseException:
                self._stop(run)
                self._raise_what_was_raised()  # meanwhile: the second Ctrl-C, say
                raise
            if over:
                self._end(run)
        return True

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
        while len(batch) < self._at_once:
            before = len(batch)
            try:
                batch.extend(islice(changes, 1))  # pulled is kept, whatever a signal does
            except WrongType as wrong:  # of imtag.add in a generator
                raise TypeError(f"changes[{self._next_id + before}].{wrong}") from wrong
            if len(batch) == before:
                return False
            if not isinstance(batch[-1], Change):
                place, kind = f"changes[{self._next_id + before}]", type(batch.pop()).__name__
                raise TypeError(f"{place}: {kind}, expected imtag.Change: write imtag.add(account, [tag, ...])")
            if time.monotonic() >= until:
                break
        return True

    def _push(self, run: Run) -> None:
        """Push the batch. A run that has ended takes no more: each change that is left has its own error."""
        self._conclude()  # a push that an exception came upon
        refused = False
        while self._batch:
            # once one was refused they are offered one by one
            offer = _Offer(self._batch[:1] if refused else self._batch.copy(), self._next_id)
            self._pending.update(zip(count(offer.first), offer.changes))
            self._offer = offer
            offer.push(run)
            refused = bool(offer.error)
            self._conclude()

    def _conclude(self) -> None:
        """Note what became of the offer; one that was not pushed took none."""
        offer = self._offer
        if offer is None:
            return
        done = offer.taken.value
        next_id = offer.first + done
        now: dict[str, Any] = {"_offer": None, "_batch": self._batch[done:], "_next_id": next_id}
        if offer.error:
            if not lib.im_error_failure_count(offer.error):  # it is no change's: this is a forked child
                raise exception_of(lib.im_error_status(offer.error), offer.error)
            refused = _outcome(next_id, offer.changes[done], change_error(offer.error))
            now.update(_ready=deque([*self._ready, refused]), _batch=self._batch[done + 1 :], _next_id=next_id + 1)
            now.update(_not_taken=self._not_taken + 1, _input=None)
        vars(self).update(now)
        if offer.error:
            lib.im_error_free(offer.error)
        for number in range(next_id, offer.first + len(offer.changes)):
            self._pending.pop(number, None)

    def _poll(self, run: Run, timeout_ms: int) -> None:
        completions, error = self._completions, c_void_p()
        if not completions:  # else an exception came upon the poll before
            status = lib.im_bulk_poll(run.pointer, timeout_ms, ctypes.byref(completions), ctypes.byref(error))
            try:
                if status != 0:
                    raise exception_of(status, error)
            finally:
                lib.im_error_free(error)
        numbers, errors = read_completions(completions)
        changes = self._pending
        ready = deque([*self._ready, *[_outcome(number, changes[number], errors.get(number)) for number in numbers]])
        vars(self).update(_ready=ready, _completions=c_void_p())
        lib.im_completions_free(completions)
        for number in numbers:
            changes.pop(number, None)

    def _stop(self, run: Run) -> None:
        """Send nothing more, wait for what is under way, and have all outcomes ready."""
        self._input = None
        if not self._asked.ends:
            self.cancel()
        try:
            self._push(run)
            self._finish(run)
            self._poll(run, 0)
            self._poll(run, 0)  # the one before may have read what an exception came upon
        except Error:  # in a forked child, which has none of the run
            self._batch.clear()
        self._close(run)

    def _end(self, run: Run) -> None:
        """Raise what ended the run early, if anything did."""
        ended = self._finish(run)
        self._close(run)
        try:
            if ended is not None:
                raise ended
        finally:
            del ended  # or the exception, by its traceback, would keep itself

    def _raise_what_was_raised(self) -> None:
        """Raise what was raised while the library asked whether to go on."""
        raised = self._asked.take_raised()
        try:
            if raised is not None:
                raise raised
        finally:
            del raised  # as above

    def _close(self, run: Run) -> None:
        self._last = read_summary(run.pointer, self._not_taken)
        self._run = None

    @staticmethod
    def _finish(run: Run) -> Error | None:
        error = c_void_p()
        status = lib.im_bulk_finish(run.pointer, ctypes.byref(error))
        try:
            return None if status in _CAME_TO_ITS_END else exception_of(status, error)
        finally:
            lib.im_error_free(error)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an imtag.Bulk cannot be copied or pickled: its changes are sent by this process")

    def __repr__(self) -> str:
        return f"<imtag.Bulk {self.summary}{' over' if self._run is None else ''}>"

    def end(self, until: float) -> None:
        """Send nothing more, as the interpreter ends."""
        run = self._run
        if run is not None:
            self._warn()
            run.end(until)

    def _unstarted(self) -> str | None:
        """Say that none of the changes was looked at, if so."""
        begun = self._input is None or self._next_id or self._batch
        if begun or not length_hint(self._input, 1):
            return None
        return "a bulk run was never started, and none of its changes was sent: iterate it, or call its finish()"

    def _warn(self) -> None:
        """Say what is left undone by a run that is over now."""
        run = self._run
        if run is None:
            return
        left = self._unstarted()
        unsettled = read_summary(run.pointer).unsettled + len(self._batch)
        if unsettled:
            left = f"a bulk run was dropped with {unsettled} changes that have no outcome: iterate it to its end"
        elif left is None and self._input is not None and length_hint(self._input, 1):
            left = "a bulk run was dropped before the end of its input: iterate it to its end, or close it"
        if left:
            warnings.warn(left, ResourceWarning, source=self, stacklevel=3)

    def __del__(self, forget: Any = _exit.forget) -> None:
        if forget(self):  # else it is a forked child's copy, or the interpreter ends, and has been told
            self._warn()


def _outcome(index: int, change: Change, error: ChangeError | None) -> Outcome:
    if error is not None:
        error.index = index
    return Outcome(index, change, error)


def _iterator(changes: Iterable[Change]) -> Iterator[Change]:
    if isinstance(changes, Change):  # which is a tuple too
        raise TypeError("changes: Change, expected several: write [change] in place of change")
    if not isinstance(changes, Iterable):
        raise TypeError(f"changes: {type(changes).__name__}, expected an iterable of imtag.Change")
    return iter(changes)
