"""UserSigs from outside: carries a callable's answer to the library, and what it raised back to the caller.

The library calls a generator's ``send``, by way of functions of C, for the reason that ``_interrupt`` gives: a signal's
handler that raises as the callback begins would be dropped by ctypes if it hit a function before its ``try``.
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
    """What a ``credential_callback`` may return. The text is in no ``repr``."""

    text: str
    valid_for: float | None = None
    """Seconds from now, and a new one is asked for when half of that is over; None where nobody knows: it is then used
    until the service calls it expired."""

    def __repr__(self) -> str:
        """Show all but the text."""
        return f"UserSig(valid_for={self.valid_for!r})"


CredentialCallback = Callable[[], Union[str, bytes, UserSig, tuple[Text, Optional[float]]]]


class Supplier:
    """The callback as the library calls it, on any thread that calls the client."""

    def __init__(self, callback: CredentialCallback) -> None:
        if not callable(callback):
            raise TypeError(f"credential_callback: {type(callback).__name__}, expected a callable")
        self._ask = callback
        self._local = threading.local()
        self._key: Any = type("Key", (), {})
        self._process = 0
        self._answers: GeneratorType[int, Any, None] | None = None
        self.ready()
        # max hands the library's two arguments to its key, one after the other, and no Python function is entered;
        # the class is looked at anew each time, so that another generator can take the place of one that is used up
        self.callback = CREDENTIAL_CALLBACK(functools.partial(max, key=self._key()))

    def ready(self) -> None:
        """Before a call: make the generator, or another one for one that signals ended or a fork left running."""
        process = os.getpid()
        if self._answers is not None and self._answers.gi_frame is not None and self._process == process:
            return
        # weak, as the garbage collector cannot look through ctypes, and the callable may lead back to the client
        answers = _answers(weakref.ref(self), self._local)
        answers.send(None)
        self._answers = cast("GeneratorType[int, Any, None]", answers)
        self._key.__call__ = answers.send
        self._process = process

    def _supply(self, credential: Any) -> None:
        try:
            # a UserSig's repr hides its text, so that no local shows it in a traceback
            usersig, place = _usersig(self._ask())
            valid_for = usersig.valid_for
            if isinstance(valid_for, (int, float)) and not valid_for > 0:  # 0 is the library's word for not known
                raise ValueError(f"valid_for: {valid_for}, expected seconds above 0, or None if nobody knows")
            valid_for_ms = milliseconds(valid_for, "valid_for") or 0
            text = encoded(usersig.text, place)
            try:
                # what the library cannot use it says itself
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
        """Return what a signal's handler raised beside the callback in this thread's call."""
        interrupted: BaseException | None = self._local.__dict__.pop("interrupted", None)
        return interrupted


def _answers(this: weakref.ref[Supplier], local: threading.local) -> Generator[int, Any, None]:
    while True:
        try:
            while True:
                credential = yield 0
                if credential is not None:  # the context comes first, which is NULL
                    _answer(this(), local, credential)
        except GeneratorExit:
            raise
        except BaseException as exception:
            local.interrupted = exception


def _answer(supplier: Supplier | None, local: threading.local, credential: Any) -> None:
    interrupted = getattr(local, "interrupted", None)
    if interrupted is not None:
        lib.im_credential_refuse(credential, string(type(interrupted).__name__.encode()))
    elif supplier is not None:
        supplier._supply(credential)


def _usersig(answer: Any) -> tuple[UserSig, str]:
    """Return a callback's answer with its text out of sight, and what to call that text."""
    if isinstance(answer, UserSig):
        return answer, "the UserSig of credential_callback"
    if isinstance(answer, tuple) and len(answer) == 2:
        return UserSig(*answer), "the UserSig of credential_callback"
    return UserSig(answer), "the answer of credential_callback"
