"""Bulk runs: pull changes from an iterable as there is capacity, push them, and yield their outcomes.

    _step: input -> _gather -> _batch -> _push -> library -> _poll -> _ready -> __next__, finish
    end of input -> poll until every pending change has its outcome -> _end

A change is pushed before the next is pulled, as that may take long; only changes of a collection are pushed many at
once.

The thread that iterates does all of this. Any exception in it, of the iterable, the progress function or a signal
handler, ends the run in the same way: nothing more is sent, requests under way complete, and then it is raised.
Iterate further for the outcomes.

A signal handler may raise between any two steps of this file, usually when a call of the library returns. So the place
for a call's results is stored before the call, and its consequences are stored by one update of the object. One
exception remains: an outcome that ``__next__`` returns is lost if a handler raises before the caller has it, as with
any iterator; ``finish`` loses none.
No object that exists for each change has a ``__del__``, as Python drops what is raised in it.
"""

from __future__ import annotations

import ctypes
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sized
from contextlib import suppress
from ctypes import c_size_t, c_void_p
from itertools import count, islice, repeat
from operator import attrgetter, length_hint
from typing import Any, NoReturn

from . import _exit
from ._changes import Change, Outcome, WrongType
from ._credentials import Supplier
from ._errors import ChangeError, ClosedError, Error
from ._library import lib
from ._marshal import changes_flat
from ._progress import Progress, ProgressCallback, Summary, read_summary
from ._prototypes import FOREVER_MS
from ._raise import change_error, check, exception_of, read_completions
from ._settings import Options
from ._stats import Stats, read_stats

_BATCH_SIZE = 128  # changes of a collection that are pushed at once
_POLL_INTERVAL = 0.005  # seconds; after them changes of a slow collection are pushed, and outcomes polled
_ERROR = attrgetter("error")
_ENDED_NORMALLY = (0, 1)  # IM_OK; IM_PARTIAL, with the errors in the outcomes


class Run:
    """An im_bulk, freed when neither its Bulk nor a running method refers to it."""

    __slots__ = ("__weakref__", "_kept", "pointer")

    def __init__(self, client: Any, options: Options, callback: ProgressCallback, supplier: Supplier | None) -> None:
        self.pointer = c_void_p()
        self._kept = callback, supplier  # the library calls them
        check(lib.im_bulk_new, client, ctypes.byref(self.pointer))
        callback.bulk = self.pointer
        options.set("im_bulk", self.pointer)
        lib.im_bulk_set_progress(self.pointer, callback.callback, None)

    def end(self, until: float) -> None:
        """Send nothing more, and wait for what cannot end at once: a credential callback."""
        lib.im_bulk_cancel(self.pointer)
        lib.im_bulk_cancel(self.pointer)
        while read_summary(self.pointer).unsettled and time.monotonic() < until:
            time.sleep(0.005)

    def __del__(self, free: Any = lib.im_bulk_free) -> None:
        if self.pointer:
            free(self.pointer)


class _PushCall:
    """A push of changes: how many were taken, from the first on, and the im_error of the one that was not, if any."""

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
    """A bulk run, made by ``client.bulk``: an iterator of outcomes, in the order in which they arrive.

    The first step starts it. One thread iterates or finishes it; any thread may cancel it and read its summary. A run
    that is left before its end is ended by ``close`` or ``with``, or when it is garbage. A ResourceWarning then says
    what is undone: changes without an outcome, or all of them if it was never started.
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
        self._batch_size = _BATCH_SIZE if isinstance(changes, Sized) else 1
        self._batch: list[Change] = []
        self._push_call: _PushCall | None = None
        self._completions = c_void_p()
        self._pending: dict[int, Change] = {}
        self._next_id = 0
        self._ready: deque[Outcome] = deque()
        self._poll_at = 0.0
        self._not_taken = 0
        self._last = Summary()
        self._last_stats: Stats | None = None
        self.failures: list[ChangeError] = []
        """The errors of failed changes that ``finish`` went through."""
        self._callback = ProgressCallback(progress)
        self._supplier = supplier
        self._run = Run(client, options, self._callback, supplier)
        _exit.register(self)

    @property
    def summary(self) -> Summary:
        """The counts of the run, now or at its end. Any thread."""
        run = self._run
        return self._last if run is None else read_summary(run.pointer, self._not_taken)

    def stats(self) -> Stats:
        """Return its figures, now or at its end: changes, requests, how many wait, the age of the oldest.

        Any thread.
        """
        run = self._run
        if run is not None:
            return read_stats(lib.im_bulk_stats, run.pointer)
        if self._last_stats is None:
            raise ClosedError("the bulk run was its parent's, and is closed", remedy="make another one in this process")
        return self._last_stats

    def cancel(self) -> None:
        """Cancel the run: nothing more is sent, requests under way complete, other changes fail as cancelled.

        Called again, it ends requests under way too. Any thread. Iterating yields all outcomes, and then raises
        imtag.Cancelled.
        """
        run = self._run
        if run is not None:
            self._callback.cancelled = True
            lib.im_bulk_cancel(run.pointer)

    def finish(self) -> Summary:
        """Go through all remaining outcomes, and keep the errors of changes that failed in ``failures``.

        Raises what ended the run early, as iterating does.
        """
        while self._has_outcomes():
            # removed and kept by one call in C, which no signal handler interrupts
            taken = map(deque.popleft, repeat(self._ready, len(self._ready)))
            self.failures.extend(filter(None, map(_ERROR, taken)))
        return self.summary

    def close(self) -> None:
        """End the run, if it has not ended: requests under way are cancelled, and nothing more is sent."""
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
        """Return the next outcome; after the last, raise what ended the run early, such as a wrong key or a cancel."""
        if not self._has_outcomes():
            raise StopIteration
        return self._ready.popleft()

    def _has_outcomes(self) -> bool:
        """Run until there are outcomes; False at the end."""
        while not self._ready:
            run = self._run
            if run is None:
                return False
            try:
                over = self._step(run)
                self._raise_kept()
            except BaseException:
                self._stop(run)
                self._raise_kept()  # meanwhile, such as the second Ctrl-C
                raise
            if over:
                self._end(run)
        return True

    def _step(self, run: Run) -> bool:
        """Push changes of the input, or wait for outcomes. Return True if none are left."""
        if self._supplier is not None:
            self._supplier.ready()
        if self._input is None:
            self._poll(run, FOREVER_MS)
            return not self._ready
        now = time.monotonic()
        more = self._gather(self._input, now + _POLL_INTERVAL)
        self._push(run)
        if not more:
            self._input = None
        if self._input is None:
            lib.im_bulk_end_of_input(run.pointer, None)
        elif now >= self._poll_at:
            self._poll(run, 0)
            self._poll_at = now + _POLL_INTERVAL
        return False

    def _gather(self, changes: Iterator[Change], until: float) -> bool:
        """Pull changes; return whether there may be more."""
        batch = self._batch
        while len(batch) < self._batch_size:
            before = len(batch)
            try:
                batch.extend(islice(changes, 1))  # a pulled change is kept, whatever a signal handler raises
            except WrongType as wrong:  # raised by imtag.add in a generator
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
        """Push the batch. A run that has ended takes no more: each remaining change gets its own error."""
        self._store_push()  # of a push that an exception interrupted
        refused = False
        while self._batch:
            # once one was refused, they are pushed one by one
            call = _PushCall(self._batch[:1] if refused else self._batch.copy(), self._next_id)
            self._pending.update(zip(count(call.first), call.changes))
            self._push_call = call
            call.push(run)
            refused = bool(call.error)
            self._store_push()

    def _store_push(self) -> None:
        """Store the results of a push; a push that was not made took nothing."""
        call = self._push_call
        if call is None:
            return
        done = call.taken.value
        next_id = call.first + done
        now: dict[str, Any] = {"_push_call": None, "_batch": self._batch[done:], "_next_id": next_id}
        if call.error:
            if not lib.im_error_failure_count(call.error):  # it is of no change: this is a forked child
                raise exception_of(lib.im_error_status(call.error), call.error)
            refused = _outcome(next_id, call.changes[done], change_error(call.error))
            now.update(_ready=deque([*self._ready, refused]), _batch=self._batch[done + 1 :], _next_id=next_id + 1)
            now.update(_not_taken=self._not_taken + 1, _input=None)
        vars(self).update(now)
        if call.error:
            lib.im_error_free(call.error)
        for number in range(next_id, call.first + len(call.changes)):
            self._pending.pop(number, None)

    def _poll(self, run: Run, timeout_ms: int) -> None:
        completions = self._completions
        if not completions:  # else an exception interrupted the last poll
            check(lib.im_bulk_poll, run.pointer, timeout_ms, ctypes.byref(completions))
        numbers, errors = read_completions(completions)
        changes = self._pending
        ready = deque([*self._ready, *[_outcome(number, changes[number], errors.get(number)) for number in numbers]])
        vars(self).update(_ready=ready, _completions=c_void_p())
        lib.im_completions_free(completions)
        for number in numbers:
            changes.pop(number, None)

    def _stop(self, run: Run) -> None:
        """Cancel the run, wait for requests under way, and have all outcomes ready."""
        self._input = None
        if not self._callback.cancelled:
            self.cancel()
        try:
            self._push(run)
            self._finish(run)
            self._poll(run, 0)
            self._poll(run, 0)  # the last may only have read the completions of an interrupted poll
        except Error:  # in a forked child, which has none of the run
            self._batch.clear()
        self._close(run)

    def _end(self, run: Run) -> None:
        """Raise what ended the run early, if it ended early."""
        ended = self._finish(run)
        self._close(run)
        try:
            if ended is not None:
                raise ended
        finally:
            del ended  # else the exception's traceback would keep it alive

    def _raise_kept(self) -> None:
        """Raise what was raised in the progress callback."""
        raised = self._callback.take_raised()
        try:
            if raised is not None:
                raise raised
        finally:
            del raised  # as above

    def _close(self, run: Run) -> None:
        self._last = read_summary(run.pointer, self._not_taken)
        with suppress(Error):  # in a forked child
            self._last_stats = read_stats(lib.im_bulk_stats, run.pointer)
        self._run = None

    @staticmethod
    def _finish(run: Run) -> Error | None:
        error = c_void_p()
        status = lib.im_bulk_finish(run.pointer, ctypes.byref(error))
        try:
            return None if status in _ENDED_NORMALLY else exception_of(status, error)
        finally:
            lib.im_error_free(error)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an imtag.Bulk cannot be copied or pickled: its changes are sent by this process")

    def __repr__(self) -> str:
        return f"<imtag.Bulk {self.summary}{' ended' if self._run is None else ''}>"

    def end(self, until: float) -> None:
        """End the run, as the interpreter ends."""
        run = self._run
        if run is not None:
            self._warn()
            run.end(until)

    def _unstarted(self) -> str | None:
        """Return a warning if no change was pulled."""
        started = self._input is None or self._next_id or self._batch
        if started or not length_hint(self._input, 1):
            return None
        return "a bulk run was never started, and none of its changes was sent: iterate it, or call its finish()"

    def _warn(self) -> None:
        """Warn of what a run that ends now leaves undone."""
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

    def __del__(self, unregister: Any = _exit.unregister) -> None:
        if unregister(self):  # else it is a copy in a forked child, or end_all() has ended it
            self._warn()


def _outcome(index: int, change: Change, error: ChangeError | None) -> Outcome:
    if error is not None:
        error.index = index
    return Outcome(index, change, error)


def _iterator(changes: Iterable[Change]) -> Iterator[Change]:
    if isinstance(changes, Change):  # it is a tuple too
        raise TypeError("changes: Change, expected several: write [change] in place of change")
    if not isinstance(changes, Iterable):
        raise TypeError(f"changes: {type(changes).__name__}, expected an iterable of imtag.Change")
    return iter(changes)
