"""Exceptions: one class for each status of libimtag. Each is an Error and can be pickled.

TimeoutError and NetworkError are also the builtins TimeoutError and ConnectionError, so that code that retries on those
(and on OSError) sees them. TlsError is not: a retry does not help against a wrong certificate.
"""

from __future__ import annotations

import builtins
from typing import Any

from ._record import record
from ._result import Effect, Result


@record
class Violation:
    """A limit that a request breaks."""

    place: str
    """Where, with positions counted from 0: ``users[3].tags[2]``."""
    problem: str
    """What it is, and the limit: ``51 bytes, at most 50``."""
    remedy: str


@record
class Failure:
    """An account that failed in a partial success."""

    account: str
    code: int
    """The service's code for the account; ``imtag.explain`` says what it means."""
    text: str
    """The service's own text for the account; may be empty."""
    remedy: str
    effect: Effect
    retryable: bool


class Error(Exception):
    """Any failure of libimtag. ``str()`` is a sentence for a log, with the remedy and without secrets."""

    remedy: str = ""
    """What the caller can do."""
    code: int = 0
    """The service's code if it refused the request, else 0. Of a partial success: that of the first account."""
    text: str = ""
    """The service's own text for the code (ErrorInfo), whole and unchanged; may be empty."""
    effect: Effect = Effect.NOT_APPLIED
    """What is known of the effect on the accounts that failed, over all attempts."""
    retryable: bool = False
    """Whether the same call may succeed later. The library has already retried within the timeout."""
    attempts: int = 0
    """How many attempts were made, including those that reached no server."""
    attempts_sent: int = 0
    """Attempts of which any byte left this machine: what the app's quota may have been charged."""
    request_id: str = ""
    """The service's id of the request, for its support; may be empty."""

    def __init__(self, message: str = "", **known: Any) -> None:
        super().__init__(message)
        self.__dict__.update(known)  # pickle keeps it


class InvalidRequest(Error):
    """The request breaks limits; nothing was sent."""

    violations: tuple[Violation, ...] = ()
    """Every limit that it breaks, each with its place."""


class Misuse(Error):
    """A wrong use of libimtag: a forked child used its parent's bulk run or batcher.

    Any other is a defect of this package: please report it.
    """


class SettingsError(Error):
    """No client can be made with the settings; the message names the setting, its range and the remedy."""


class CredentialsError(Error):
    """There is no UserSig; see ``effect``. What ``credential_callback`` raised is the ``__cause__``."""


class ServiceError(Error):
    """The service refused the whole request: ``code`` is its code."""


class PartialFailure(Error):
    """The service did it for some accounts and not for others."""

    failures: tuple[Failure, ...] = ()
    """Every account that failed, each with its code."""
    result: Result
    """What was done."""


class HttpStatusError(Error):
    """An HTTP status other than 200: the answer is not the service's own."""


class TimeoutError(Error, builtins.TimeoutError):
    """The time was up; ``effect`` says whether it may have been applied."""


class Cancelled(Error):
    """The call was cancelled; ``effect`` says whether it may have been applied."""


class NetworkError(Error, ConnectionError):
    """The network failed; ``effect`` says whether it may have been applied."""


class TlsError(Error):
    """The server could not prove that it is the one that was called, or TLS failed otherwise."""


class NotUnderstood(Error):
    """An answer that is not one of the service's; it may have been applied."""


class Defect(Error):
    """A defect of libimtag itself: please report the message."""


class ClosedError(Error):
    """The client, or the batcher, has been closed."""


class Full(Error):
    """The batcher is full, and set to fail then: the change was not taken."""


class NoThread(Error):
    """The system has no thread to send with: a limit of threads or memory is reached."""


class ChangeError(Error):
    """A change of a bulk run or a batcher failed, as a whole or in part.

    It is also one of the other classes, which says why: a ServiceError for the account, a TimeoutError, an
    InvalidRequest. ``effect`` is what is known of the tags in ``undone``.
    """

    index: int | None = None
    """The change's position in the input of a bulk run, from 0; None for a change of a batcher."""
    account: str = ""
    """The user that the change is for."""
    undone: tuple[str, ...] = ()
    """The tags that are not known to be added or removed. The change's other tags are done: a change of 25 tags goes in
    3 requests; if the last fails, these are 5 tags."""

    @classmethod
    def that_is(cls, why: type[Error]) -> type[ChangeError]:
        """Return the class of change errors that are also a `why`: always the same class."""
        found = _CHANGE_ERRORS.get(why)
        if found is None:
            name = f"ChangeError[{why.__name__}]"
            made = type(name, (ChangeError, why), {"__module__": "imtag", "__doc__": why.__doc__, "_why": why})
            found = _CHANGE_ERRORS.setdefault(why, made)
        return found

    _why: type[Error] | None = None

    def __reduce__(self) -> Any:
        if self._why is None:
            return super().__reduce__()
        return _remade, (self._why, self.args), self.__dict__


_CHANGE_ERRORS: dict[type[Error], type[ChangeError]] = {}


def _remade(why: type[Error], arguments: tuple[Any, ...]) -> ChangeError:
    return ChangeError.that_is(why)(*arguments)
