"""Tags for the users of Tencent Chat, from a backend.

    with imtag.Client(sdkappid=1400000000, identifier="administrator", secret_key=key, region="singapore") as client:
        client.add_tag({"xiaojun012": ["a", "b"], "xiaojun013": ["a", "b"]})

Checked before anything is sent, paced by the app's quota, retried within a timeout; and what failed says for which
accounts, and whether it may have been applied. Times are in seconds. A thin layer over libimtag, which the package
brings along; IMTAG_LIBRARY in the environment names another one.
"""

from ._call import Cancel
from ._client import Client
from ._credentials import UserSig
from ._errors import (
    Cancelled,
    ClosedError,
    CredentialsError,
    Defect,
    Error,
    Failure,
    HttpStatusError,
    InvalidRequest,
    Misuse,
    NetworkError,
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
from ._result import Effect, Result
from ._version import __version__

__all__ = [
    "Cancel",
    "Cancelled",
    "Client",
    "ClosedError",
    "CredentialsError",
    "Defect",
    "Effect",
    "Error",
    "Explanation",
    "Failure",
    "HttpStatusError",
    "InvalidRequest",
    "Misuse",
    "NetworkError",
    "NotUnderstood",
    "PartialFailure",
    "Result",
    "Retry",
    "ServiceError",
    "SettingsError",
    "TimeoutError",
    "TlsError",
    "UserSig",
    "Violation",
    "__version__",
    "explain",
    "version",
]

for _public in __all__:  # tracebacks and pickles name what the caller knows
    _thing = globals()[_public]
    if isinstance(_thing, type):
        _thing.__module__ = __name__
del _public, _thing
