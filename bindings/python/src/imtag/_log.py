"""Passes what the library decides to a logger of ``logging``: a thread reads an im_log, and makes a record of each.

    library -> queue of the im_log -> the thread: logging's record -> the logger and its handlers

The library never waits for a handler: where the queue is full, records are dropped, and one says how many. The thread
is left out of all logs, so that a handler's own calls bring no more records. What makes records (``_logging``) is
imported when there is a log.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
from ctypes import c_void_p
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn

from . import _exit
from ._errors import ClosedError, Error
from ._green import blocking, pool
from ._library import lib
from ._prototypes import FOREVER_MS
from ._raise import check
from ._settings import number

if TYPE_CHECKING:
    import logging

    from ._logging import Logger

_SIZE_BITS = ctypes.sizeof(ctypes.c_size_t) * 8
_NUMBERS = count(1)


class Log:
    """Passes the library's records to a logger; made by ``log_to_logging``. It ends with ``close`` or ``with``.

    In a forked child it does nothing: make another one there.
    """

    __slots__ = ("__weakref__", "_handle", "_logger", "_number", "_process", "_thread")

    def __init__(self, logger: Logger, capacity: int) -> None:
        self._logger = logger
        self._number = next(_NUMBERS)
        self._process = os.getpid()
        self._handle = _Handle(logger.library_level, capacity)
        work = self._handle, logger
        self._thread = threading.Thread(target=_pass_on, args=work, name="imtag-log", daemon=True)
        _exit.register_log(self)

    def start(self) -> None:
        """Start the thread, in place of earlier logs to the same logger."""
        try:
            for other in _exit.logs():  # the latest stays, also of two threads that are here
                if isinstance(other, Log) and other._number < self._number and other._logger.name == self._logger.name:
                    other._take_no_more()
            self._thread.start()
        except BaseException:
            self._take_no_more()
            raise

    def close(self) -> None:
        """Take no more records, and wait until the logger has those that are there.

        Any thread, any number of times. In a handler, where the records come, it does not wait.
        """
        self._take_no_more()
        self._join(None)

    def end(self, until: float) -> None:
        """Close it as the interpreter ends, and wait for handlers as far as the time allows."""
        self._take_no_more()
        self._join(max(0.0, until - time.monotonic()))

    def _take_no_more(self) -> None:
        lib.im_log_close(self._handle.pointer)
        _exit.unregister_log(self)

    def _join(self, seconds: float | None) -> None:
        is_here = self._process == os.getpid() and self._thread.ident is not None
        if is_here and self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("an imtag.Log cannot be copied or pickled: make one in each process")

    def __repr__(self) -> str:
        return f"<imtag.Log to {self._logger.name!r}>"


class _Handle:
    """An im_log, freed when neither its Log nor the thread refers to it."""

    __slots__ = ("pointer",)

    def __init__(self, level: int, capacity: int) -> None:
        self.pointer = c_void_p()
        check(lib.im_log_new, level, capacity, ctypes.byref(self.pointer))

    def __del__(self, free: Any = lib.im_log_free) -> None:
        free(self.pointer)


def log_to_logging(
    level: int | str | None = None, *, logger: str | logging.Logger = "imtag", capacity: int = 10_000
) -> Log:
    """Pass what the library decides to a logger of ``logging``, from now on: attempts, retries, outages, new UserSigs.

    level     the least that comes: ``"DEBUG"`` is each attempt, ``"INFO"`` a few records a minute, ``"WARNING"`` what
              to act on; the library's trace is 5. A level that the logger itself has been set to holds, too. None:
              the level that counts for the logger now
    logger    the logger, or its name. Another log to the same logger takes this one's place
    capacity  how many records wait for the handlers, some hundred bytes each. While it is full, new ones are dropped,
              and one says how many

    Returns a Log: its ``close()``, or ``with``, ends it; without that the end of the interpreter does. Records come on
    a thread of their own. An exception of a handler is shown on stderr, as logging shows it, and the next record comes.
    A record has the text ``attempt ended: attempt=1 duration_ms=12.3 ...``, the time at which it happened, and as
    attributes ``imtag_event`` (``attempt ended``) and each of its fields (``record.imtag_attempt``). No key, UserSig,
    account or tag is in it.

    After a fork the child has no log: call it there again. ValueError, TypeError: the level is none of logging's.
    """
    from ._logging import Logger  # first needed here, and slow to import

    passes_to = Logger(level, logger)
    waiting = number(capacity, "capacity", _SIZE_BITS)
    if _exit.is_over():
        raise ClosedError("the interpreter is ending: no log can begin", remedy="begin before it ends")
    # logging closes its handlers at exit, and before end_all() if it was imported after this package
    atexit.unregister(_exit.end_logs_unless_more_comes)
    atexit.register(_exit.end_logs_unless_more_comes)
    log = Log(passes_to, waiting)
    log.start()
    return log


def _pass_on(handle: _Handle, logger: Logger) -> None:
    """Pass records on until the log is closed, and all are read."""
    if pool() is None:  # a green thread shares its real one with others, which are not to be left out
        lib.im_log_leave_out_thread(True)
    while True:
        record = c_void_p()
        try:
            check(blocking, lib.im_log_next, handle.pointer, FOREVER_MS, ctypes.byref(record))
            logger.log(record)
        except ClosedError:
            return
        except Error:  # a defect: nobody would read what it goes on to keep
            lib.im_log_close(handle.pointer)
            logger.show_exception("the log ended early")
            return
        finally:
            lib.im_log_record_free(record)
