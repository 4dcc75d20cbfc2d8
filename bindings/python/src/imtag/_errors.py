"""What can go wrong: one class for each status of libimtag, all of them an Error, all of them fit for pickle.

TimeoutError and NetworkError are also the builtins TimeoutError and ConnectionError, as what retries or reports by
those (and by OSError) should see these. TlsError is not: to try again helps nobody whose certificate is wrong.
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
    """Where, by positions counted from 0: ``users[3].tags[2]``."""
    problem: str
    """What it is, and the limit: ``51 bytes, at most 50``."""
    remedy: str


@record
class Failure:
    """An account that a partial success left out."""

    account: str
    code: int
    """The service's code for the account; ``imtag.explain`` says what it means."""
    text: str
    """The service's own text for the account; may be empty."""
    remedy: str
    effect: Effect
    retryable: bool


class Error(Exception):
    """Whatever libimtag could not do. ``str()`` is a sentence for a log, with the remedy and without secrets."""

    remedy: str = ""
    """What the caller can do."""
    code: int = 0
    """The service's code where that is what went wrong, else 0. Of a partial success: the first account's."""
    text: str = ""
    """The service's own text beside the code (ErrorInfo), whole and as it came; may be empty."""
    effect: Effect = Effect.NOT_APPLIED
    """What is known of the effect on the accounts that failed, over all attempts."""
    retryable: bool = False
    """Whether the same call may succeed later as it is. The library has already tried within the timeout."""
    attempts: int = 0
    """How many attempts were made, those with it that reached nobody."""
    attempts_sent: int = 0
    """Attempts of which any byte left this machine: what the app's quota may have been charged."""
    request_id: str = ""
    """The service's number for the request, for its support; may be empty."""

    def __init__(self, message: str = "", **known: Any) -> None:
        super().__init__(message)
        self.__dict__.update(known)  # which is also what pickle keeps


class InvalidRequest(Error):
    """The request breaks limits; nothing was sent."""

    violations: tuple[Violation, ...] = ()
    """Every limit that it breaks, each with its place."""


class Misuse(Error):
    """libimtag was called as it may not be: by a forked child that goes on with its parent's bulk run or batcher.

    Otherwise, seen from Python, a defect of this package: please report it.
    """


class SettingsError(Error):
    """No client can be made of the settings; the message names the setting, its range and the remedy."""


class CredentialsError(Error):
    """No UserSig could be had; nothing was sent. What ``credential_callback`` raised is the ``__cause__``."""


class ServiceError(Error):
    """The service refused the whole request: ``code`` is its code."""


class PartialFailure(Error):
    """The service did it for some accounts and not for others."""

    failures: tuple[Failure, ...] = ()
    """Every account that was left out, each with its code."""
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
    """The system gave no thread to send with: a limit of threads or memory is reached."""


class ChangeError(Error):
    """A change of a bulk run or a batcher is not done, or not in full.

    It is also one of the other classes, which says why: a ServiceError that left the account out, a TimeoutError, an
    InvalidRequest. ``effect`` is what is known of the tags in ``undone``.
    """

    index: int | None = None
    """The change's position in the input of a bulk run, from 0; None for one of a batcher."""
    account: str = ""
    """Whose change it is."""
    undone: tuple[str, ...] = ()
    """The tags that are not known to be added or removed; those that it has besides are done."""

    @classmethod
    def that_is(cls, why: type[Error]) -> type[ChangeError]:
        """Return the class of those that are also a `why`: the same whenever it is asked."""
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
