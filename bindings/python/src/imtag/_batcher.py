"""The batcher: changes of many threads, of one user each, share requests."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterable
from ctypes import c_void_p
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING, Any, NoReturn

from . import _errors, _exit
from ._call import Call, Cancel, milliseconds
from ._changes import Change, Operation, add, clear, remove, replace
from ._credentials import Supplier
from ._errors import Error
from ._futures import FutureChange
from ._green import blocking, pool
from ._interrupt import on_main_thread
from ._library import lib
from ._marshal import Strings, Text, changes_flat
from ._prototypes import FOREVER_MS, IM_TIMEOUT
from ._raise import change_error, exception_of
from ._settings import Options
from ._stats import Stats, read_stats
from ._submissions import Submissions, Waiter

if TYPE_CHECKING:
    from concurrent.futures import Future

_CALLS = {
    Operation.ADD: lib.im_batcher_add_tag,
    Operation.REMOVE: lib.im_batcher_remove_tag,
    Operation.CLEAR: lib.im_batcher_clear_tags,
    Operation.REPLACE: lib.im_batcher_replace_tags,
}


class Batcher:
    """A batcher, made by ``client.batcher``: for servers that tag one user per event.

    A change is sent when there are 100 users, when its user has as many tags as one request takes of a user (10), or
    when its linger time is over. Any number of threads may use it at once. The changes of an account are made in the
    order in which they were given. Close it with ``with`` or ``close``: a batcher that is dropped with changes in it
    does not send them, and gives a ResourceWarning with their number. In a forked child its parent's raises Misuse.
    """

    __slots__ = ("__weakref__", "_submissions")

    def __init__(self, client: Any, supplier: Supplier | None, options: Options) -> None:
        self._submissions: Submissions | None = None
        self._submissions = Submissions(client, options, supplier)

    def add_tag(
        self, account: Text, tags: Iterable[Text], *, timeout: float | None = None, cancel: Cancel | None = None
    ) -> None:
        """Add tags to a user, and wait until the request that it shares is answered.

        account  of 1 to 32 bytes
        tags     1 to 100, of 1 to 50 bytes each
        timeout  seconds for the change, in place of the batcher's
        cancel   ends the wait early

        When its time is up or it is cancelled, a change that was not sent is withdrawn, and one that was sent is
        possibly applied. Raises a ChangeError that is also the class that says why, with what is known of the effect.
        On the main thread Ctrl-C ends the wait within half a second, also with a ``cancel``.
        """
        self._call(add(account, tags), timeout, cancel)

    def remove_tag(
        self, account: Text, tags: Iterable[Text], *, timeout: float | None = None, cancel: Cancel | None = None
    ) -> None:
        """Remove any number of tags from a user, and wait. All else as ``add_tag``."""
        self._call(remove(account, tags), timeout, cancel)

    def clear_tags(self, account: Text, *, timeout: float | None = None, cancel: Cancel | None = None) -> None:
        """Remove all tags of a user, and wait. All else as ``add_tag``."""
        self._call(clear(account), timeout, cancel)

    def replace_tags(
        self, account: Text, tags: Iterable[Text], *, timeout: float | None = None, cancel: Cancel | None = None
    ) -> None:
        """Replace the tags of a user, as ``imtag.replace`` does, and wait. All else as ``add_tag``."""
        self._call(replace(account, tags), timeout, cancel)

    def submit(self, change: Change) -> Future[None]:
        """Submit a change, ``imtag.add(account, tags)`` or another, without waiting for its outcome.

        Returns a future, whose exception is the ChangeError of a change that failed. It cannot be cancelled. Its
        callbacks run on a thread of the batcher, where a slow one delays other futures, but no call; in asyncio,
        ``await asyncio.wrap_future(batcher.submit(change))``. If the batcher is full and set to wait, this waits for
        capacity; it sees Ctrl-C only at the end of the wait, once there is capacity or the batcher's time for a change
        is up. The error of a change that is not taken is raised here. If another exception is raised meanwhile, the
        change is withdrawn.
        """
        if not isinstance(change, Change):
            kind = type(change).__name__
            raise TypeError(f"change: {kind}, expected imtag.Change: write imtag.add(account, [tag, ...])")
        submissions = self._ready()
        given = FutureChange(submissions.number())
        try:
            self._submit(submissions, change, given)
        except BaseException:
            submissions.withdraw(given)
            raise
        return given.future

    def flush(self, *, timeout: float | None = None, cancel: Cancel | None = None) -> None:
        """Send its changes without waiting for more, and wait until every change given before has its outcome.

        They are sent so also if it raises. Changes that are given later wait for others as ever.

        timeout  seconds, with the callbacks of futures; None: as long as it takes

        TimeoutError or Cancelled: some have none yet; they stay under way, and nothing is lost.
        """
        submissions = self._ready()
        futures = submissions.taken
        left = self._wait(lib.im_batcher_flush, submissions, timeout, cancel)
        if not submissions.in_callback:
            from concurrent.futures import wait  # first needed here, and slow to import

            late = wait(futures, left).not_done
            if late:
                raise _futures_late(len(late))

    def close(self, *, timeout: float | None = None, cancel: Cancel | None = None) -> None:
        """Take no more changes, send those that it holds, and wait until all have their outcomes.

        Later changes raise ClosedError. All else as ``flush``; if it raises, it may be called again.
        """
        submissions = self._ready()
        left = self._wait(lib.im_batcher_close, submissions, timeout, cancel)
        submissions.join(left)
        if not submissions.in_callback and submissions.taken:
            raise _futures_late(len(submissions.taken))

    @property
    def unsettled(self) -> int:
        """How many changes have no outcome yet."""
        count: int = lib.im_batcher_unsettled(self._ready().pointer)
        return count

    def stats(self) -> Stats:
        """Return its figures, also when it is closed: changes, requests, how many wait, the age of the oldest."""
        return read_stats(lib.im_batcher_stats, self._ready().pointer)

    def _ready(self) -> Submissions:
        submissions = self._submissions
        assert submissions is not None
        if submissions.supplier is not None:
            submissions.supplier.ready()
        return submissions

    @staticmethod
    def _submit(
        submissions: Submissions, change: Change, given: FutureChange | Waiter, timeout: float | None = None
    ) -> None:
        """Give a change to the library, and register where its outcome goes."""
        timeout_ms = milliseconds(timeout, "timeout")
        timeout_ms = FOREVER_MS if timeout_ms is None else min(timeout_ms, FOREVER_MS - 1)  # FOREVER_MS: the batcher's
        _, flat = changes_flat([change])
        error = c_void_p()
        submissions.start()

        def submit() -> int:  # keeps the texts alive: a green thread may leave while a real one is in here
            texts = flat.arguments[:4]  # without the counts of tags, as there is one change
            what = submissions.pointer, change.operation, given.number, *texts, timeout_ms
            status: int = lib.im_batcher_submit_flat(*what, ctypes.byref(error))
            if status == 0:
                given.taken = True
                if given.abandoned:
                    submissions.withdraw(given)
            return status

        submissions.pending[given.number] = given  # before it is taken, as its outcome may arrive at once
        try:
            status = blocking(submit)
            if status != 0:
                raise _exception(status, error)
        finally:
            if error:  # else the call would give up the interpreter's lock for nothing
                lib.im_error_free(error)

    def _call(self, change: Change, timeout: float | None, cancel: Cancel | None) -> None:
        submissions = self._ready()
        if cancel is None and (not on_main_thread() or pool()):
            self._call_outside(submissions, change, timeout)
            return
        strings = Strings(change.account, change.tags)
        tags = () if change.operation is Operation.CLEAR else strings.tags
        arguments = strings.account, *tags
        _perform(_CALLS[change.operation], submissions, arguments, Call(timeout, None, cancel), strings)

    def _call_outside(self, submissions: Submissions, change: Change, timeout: float | None) -> None:
        """Submit a change, and wait for its outcome outside of the library."""
        started = time.monotonic()
        waiter = Waiter(submissions.number(), submissions.wake_queue)
        try:
            self._submit(submissions, change, waiter, timeout)
            if not waiter.wait(None if timeout is None else started + timeout):
                lib.im_batcher_withdraw(submissions.pointer, waiter.number, IM_TIMEOUT, None)
                waiter.wait(None)  # for 0.1 s at most: the thread that delivers outcomes runs no code of callers
        finally:
            waiter.leave()
            if not waiter.done:
                submissions.withdraw(waiter)
        waiter.result()

    @staticmethod
    def _wait(function: Any, submissions: Submissions, timeout: float | None, cancel: Cancel | None) -> float | None:
        """Wait in the library; return how many seconds of the timeout are left."""
        start = time.monotonic()
        _perform(function, submissions, (), Call(timeout, None, cancel))
        return None if timeout is None else min(max(0.0, start + timeout - time.monotonic()), TIMEOUT_MAX)

    def __enter__(self) -> Batcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("an imtag.Batcher cannot be copied or pickled: make one in each process")

    def __repr__(self) -> str:
        return f"<imtag.Batcher of {self.unsettled} changes without outcome>"

    def __del__(self, is_over: Any = _exit.is_over) -> None:
        submissions = self._submissions
        if submissions is not None and not is_over():
            submissions.drop(self)


def _perform(
    function: Any, submissions: Submissions, arguments: tuple[Any, ...], options: Call, kept: Any = None
) -> None:
    """Wait in the library; `kept` is what the arguments point to."""
    error = c_void_p()
    failure: BaseException | None = None
    raised: BaseException | None = None
    with options as call:

        def perform(_: Any = kept) -> int:  # keeps it alive: a green thread may leave while a real one is in here
            status: int = function(submissions.pointer, *arguments, call.pointer, ctypes.byref(error))
            return status

        try:
            try:
                status = blocking(perform)
            except BaseException:
                lib.im_call_cancel(call.pointer)
                raise
            failure = None if status == 0 else _exception(status, error)
            raised = call.take_raised()
            if raised is not None:
                raised.__cause__ = failure  # with what is known of the effect
                raise raised
            if failure is not None:
                raise failure
        finally:
            failure = raised = None  # else an exception's traceback would keep it alive
            lib.im_error_free(error)


def _exception(status: int, error: Any) -> Error:
    """Return the error of a change, or of a call that concerns none."""
    return change_error(error) if lib.im_error_failure_count(error) else exception_of(status, error)


def _futures_late(count: int) -> _errors.TimeoutError:
    """Return the error of a wait whose time was up when all outcomes were there, but a callback still ran."""
    remedy = "allow more time, and flush or close again; keep callbacks of futures short"
    late = "1 future is not completed yet, or its callbacks still run"
    if count != 1:
        late = f"{count} futures are not completed yet, or their callbacks still run"
    message = f"{late}: {remedy}"
    return _errors.TimeoutError(message, remedy=remedy)
