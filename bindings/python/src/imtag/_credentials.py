"""UserSigs from a callable: passes what it returns to the library, and what it raises to the caller.

The library calls a generator's ``send`` through C functions, for the reason in ``_interrupt``: if a signal handler
raised in a Python function before its ``try``, ctypes would drop the exception.
"""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable, Generator
from types import GeneratorType
from typing import Any, Optional, Union, cast

from ._call import milliseconds
from ._library import lib
from ._marshal import Text, encoded
from ._prototypes import CREDENTIAL_CALLBACK, string
from ._record import record


@record
class UserSig:
    """A UserSig, for a ``credential_callback`` to return. ``repr`` does not show the text."""

    text: str
    valid_for: float | None = None
    """Seconds from now. The callback is called for a new one when half of that is over: of 86400 (a day), after 12 h.
    None: unknown; it is used until the service says that it expired."""

    def __repr__(self) -> str:
        """Show all but the text."""
        return f"UserSig(valid_for={self.valid_for!r})"


CredentialCallback = Callable[[], Union[str, bytes, UserSig, tuple[Text, Optional[float]]]]


class Supplier:
    """The callback as the library calls it, on any thread that calls the client."""

    def __init__(self, callback: CredentialCallback) -> None:
        if not callable(callback):
            raise TypeError(f"credential_callback: {type(callback).__name__}, expected a callable")
        self._callable = callback
        self._local = threading.local()
        self._key: Any = type("Key", (), {})
        self._process = 0
        self._loop: GeneratorType[int, Any, None] | None = None
        self.ready()
        # max passes the library's two arguments to its key, one after the other, without entering a Python function;
        # __call__ is looked up each time, so that another generator can replace one that has ended
        self.callback = CREDENTIAL_CALLBACK(functools.partial(max, key=self._key()))

    def ready(self) -> None:
        """Make the generator before a call, also if signals have ended the last one or a fork left it running."""
        process = os.getpid()
        if self._loop is not None and self._loop.gi_frame is not None and self._process == process:
            return
        # weak, as the garbage collector does not see references of ctypes, and the callable may refer to the client
        loop = _callback_loop(weakref.ref(self), self._local)
        loop.send(None)
        self._loop = cast("GeneratorType[int, Any, None]", loop)
        self._key.__call__ = loop.send
        self._process = process

    def _supply(self, credential: Any) -> None:
        try:
            # a UserSig's repr hides its text, so that no local variable shows it in a traceback
            usersig, place = _usersig(self._callable())
            valid_for = usersig.valid_for
            if isinstance(valid_for, (int, float)) and not valid_for > 0:  # 0 means unknown to the library
                raise ValueError(f"valid_for: {valid_for}, expected seconds above 0, or None if unknown")
            valid_for_ms = milliseconds(valid_for, "valid_for") or 0
            text = encoded(usersig.text, place)
            try:
                # the library reports a UserSig that it cannot use
                lib.im_credential_set(credential, string(text), valid_for_ms, None)
            finally:
                del text
        except BaseException as exception:
            self._local.raised = exception
            reason = (str(exception) or type(exception).__name__).encode("utf-8", "replace")
            lib.im_credential_refuse(credential, string(reason))

    def take_raised(self) -> BaseException | None:
        """Return what the callback raised during this thread's call."""
        raised: BaseException | None = self._local.__dict__.pop("raised", None)
        return raised

    def take_interrupted(self) -> BaseException | None:
        """Return what a signal handler raised outside of the callback in this thread's call."""
        interrupted: BaseException | None = self._local.__dict__.pop("interrupted", None)
        return interrupted


def _callback_loop(this: weakref.ref[Supplier], local: threading.local) -> Generator[int, Any, None]:
    while True:
        try:
            while True:
                credential = yield 0
                if credential is not None:  # the first argument is the context, which is NULL
                    _call(this(), local, credential)
        except GeneratorExit:
            raise
        except BaseException as exception:
            local.interrupted = exception


def _call(supplier: Supplier | None, local: threading.local, credential: Any) -> None:
    interrupted = getattr(local, "interrupted", None)
    if interrupted is not None:
        lib.im_credential_refuse(credential, string(type(interrupted).__name__.encode()))
    elif supplier is not None:
        supplier._supply(credential)


def _usersig(answer: Any) -> tuple[UserSig, str]:
    """Return what a callback returned, with its text hidden, and the name of that text in messages."""
    if isinstance(answer, UserSig):
        return answer, "the UserSig of credential_callback"
    if isinstance(answer, tuple) and len(answer) == 2:
        return UserSig(*answer), "the UserSig of credential_callback"
    return UserSig(answer), "the result of credential_callback"
