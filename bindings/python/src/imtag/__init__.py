"""Tags for the users of Tencent Chat, from a backend.

    with imtag.Client(sdkappid=1400000000, identifier="administrator", secret_key=key, region="singapore") as client:
        client.add_tag({"xiaojun012": ["a", "b"], "xiaojun013": ["a", "b"]})

Requests are checked before they are sent, paced by the app's quota and retried within a timeout; an error names the
accounts that failed, and whether the request may have been applied. Times are in seconds. A thin layer over libimtag,
which the package contains; IMTAG_LIBRARY in the environment names another one.
"""

from ._batcher import Batcher
from ._bulk import Bulk
from ._call import Cancel
from ._changes import Change, Operation, Outcome, add, clear, remove, replace
from ._client import Client
from ._credentials import UserSig
from ._errors import (
    Cancelled,
    ChangeError,
    ClosedError,
    CredentialsError,
    Defect,
    Error,
    Failure,
    Full,
    HttpStatusError,
    InvalidRequest,
    Misuse,
    NetworkError,
    NoThread,
    NotUnderstood,
    PartialFailure,
    ServiceError,
    SettingsError,
    TimeoutError,
    TlsError,
    Violation,
)
from ._explain import Explanation, Retry, explain
from ._library import version
from ._log import Log, log_to_logging
from ._progress import Summary
from ._result import Effect, Result
from ._stats import Figure, Stats
from ._version import __version__

__all__ = [
    "Batcher",
    "Bulk",
    "Cancel",
    "Cancelled",
    "Change",
    "ChangeError",
    "Client",
    "ClosedError",
    "CredentialsError",
    "Defect",
    "Effect",
    "Error",
    "Explanation",
    "Failure",
    "Figure",
    "Full",
    "HttpStatusError",
    "InvalidRequest",
    "Log",
    "Misuse",
    "NetworkError",
    "NoThread",
    "NotUnderstood",
    "Operation",
    "Outcome",
    "PartialFailure",
    "Result",
    "Retry",
    "ServiceError",
    "SettingsError",
    "Stats",
    "Summary",
    "TimeoutError",
    "TlsError",
    "UserSig",
    "Violation",
    "__version__",
    "add",
    "clear",
    "explain",
    "log_to_logging",
    "remove",
    "replace",
    "version",
]

for _public in __all__:  # tracebacks and pickles use the public name
    _thing = globals()[_public]
    if isinstance(_thing, type):
        _thing.__module__ = __name__
del _public, _thing
