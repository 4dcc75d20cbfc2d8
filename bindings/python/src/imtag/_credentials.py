"""UserSigs from outside: carries a callable's answer to the library, and what it raised back to the caller."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from ._call import milliseconds
from ._library import lib
from ._marshal import Text, encoded
from ._prototypes import CREDENTIAL_CALLBACK, string


@dataclass(frozen=True)
class UserSig:
    """What a ``credential_callback`` may return. The text is in no ``repr``."""

    text: str = field(repr=False)
    valid_for: float | None = None
    """Seconds from now, and a new one is asked for when half of that is over; None where nobody knows: it is then used
    until the service calls it expired."""


CredentialCallback = Callable[[], Union[str, bytes, UserSig, tuple[Text, Optional[float]]]]


class Supplier:
    """The callback as the library calls it, on any thread that calls the client."""

    def __init__(self, callback: CredentialCallback) -> None:
        if not callable(callback):
            raise TypeError(f"credential_callback: {type(callback).__name__}, expected a callable")
        self._ask = callback
        self._local = threading.local()
        # weak, as the garbage collector cannot look through ctypes, and the callable may lead back to the client
        this = weakref.ref(self)

        def supply(_: Any, credential: Any) -> None:
            supplier = this()
            if supplier is not None:
                supplier._supply(credential)

        self.callback = CREDENTIAL_CALLBACK(supply)

    def _supply(self, credential: Any) -> None:
        try:
            text, valid_for = _parts(self._ask())
            # what the library cannot use it says itself
            lib.im_credential_set(credential, string(text), milliseconds(valid_for, "valid_for") or 0, None)
        except BaseException as exception:
            self._local.raised = exception
            reason = (str(exception) or type(exception).__name__).encode("utf-8", "replace")
            lib.im_credential_refuse(credential, string(reason))

    def take_raised(self) -> BaseException | None:
        """Return what the callback raised during this thread's call."""
        raised: BaseException | None = self._local.__dict__.pop("raised", None)
        return raised


def _parts(answer: Any) -> tuple[bytes, float | None]:
    if isinstance(answer, UserSig):
        answer = (answer.text, answer.valid_for)
    if isinstance(answer, tuple) and len(answer) == 2:
        return encoded(answer[0], "the UserSig of credential_callback"), answer[1]
    return encoded(answer, "the answer of credential_callback"), None
