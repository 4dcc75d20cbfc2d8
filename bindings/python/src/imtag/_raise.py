"""Makes exceptions from the library's errors, and outcomes from its completions.

The status of an error chooses the class; all else is copied.
"""

from __future__ import annotations

import ctypes
from ctypes import c_size_t, c_uint64, c_void_p
from typing import Any

from . import _errors
from ._library import lib
from ._result import EFFECTS, read_result

# by im_status
_CLASSES: dict[int, type[_errors.Error]] = {
    1: _errors.PartialFailure,
    2: _errors.InvalidRequest,
    3: _errors.Misuse,
    4: _errors.SettingsError,
    5: _errors.CredentialsError,
    6: _errors.ServiceError,
    7: _errors.HttpStatusError,
    8: _errors.TimeoutError,
    9: _errors.Cancelled,
    10: _errors.NetworkError,
    11: _errors.TlsError,
    12: _errors.NotUnderstood,
    13: _errors.Defect,
    14: _errors.Full,
    15: _errors.ClosedError,
    16: _errors.NoThread,
}


def exception_of(status: int, error: Any, result: Any = None) -> _errors.Error:
    """Copy an im_error, and for a partial success its im_result. Neither is freed."""
    kind = _CLASSES.get(status, _errors.Defect)
    known = _known(error, kind)
    if kind is _errors.PartialFailure:
        known["failures"] = tuple(_failure(error, at) for at in range(lib.im_error_failure_count(error)))
        known["result"] = read_result(result)
    return kind(lib.im_error_message(error).decode(), **known)


def check(function: Any, *arguments: Any) -> None:
    """Call a function of the library, whose last argument is the place for an error, and raise that error."""
    error = c_void_p()
    try:
        status = function(*arguments, ctypes.byref(error))
        if status != 0:
            raise exception_of(status, error)
    finally:
        lib.im_error_free(error)


def change_error(error: Any) -> _errors.ChangeError:
    """Copy the im_error of a change. It is not freed."""
    kind = _CLASSES.get(lib.im_error_status(error), _errors.Defect)
    known = _known(error, kind)
    known["account"] = str(lib.im_error_failure_account(error, 0))
    known["undone"] = tuple(str(lib.im_error_undone(error, at)) for at in range(lib.im_error_undone_count(error)))
    return _errors.ChangeError.that_is(kind)(lib.im_error_message(error).decode(), **known)


def _known(error: Any, kind: type[_errors.Error]) -> dict[str, Any]:
    known: dict[str, Any] = {
        "remedy": lib.im_error_remedy(error).decode(),
        "code": lib.im_error_code(error),
        "text": str(lib.im_error_text(error)),
        "effect": EFFECTS[lib.im_error_effect(error)],
        "retryable": lib.im_error_retryable(error),
        "attempts": lib.im_error_attempts(error),
        "attempts_sent": lib.im_error_attempts_sent(error),
        "request_id": str(lib.im_error_request_id(error)),
    }
    if kind is _errors.InvalidRequest:
        known["violations"] = tuple(_violation(error, at) for at in range(lib.im_error_violation_count(error)))
    return known


def _violation(error: Any, at: int) -> _errors.Violation:
    return _errors.Violation(
        place=lib.im_error_violation_place(error, at).decode(),
        problem=lib.im_error_violation_problem(error, at).decode(),
        remedy=lib.im_error_violation_remedy(error, at).decode(),
    )


def _failure(error: Any, at: int) -> _errors.Failure:
    return _errors.Failure(
        account=str(lib.im_error_failure_account(error, at)),
        code=lib.im_error_failure_code(error, at),
        text=str(lib.im_error_failure_text(error, at)),
        remedy=lib.im_error_failure_remedy(error, at).decode(),
        effect=EFFECTS[lib.im_error_failure_effect(error, at)],
        retryable=lib.im_error_failure_retryable(error, at),
    )


def read_completions(completions: Any) -> tuple[list[int], dict[int, _errors.ChangeError]]:
    """Return the ids of changes that have their outcomes, in order, and by id the errors of those that failed.

    The completions, which may be NULL, are not freed.
    """
    count = c_size_t()
    ids = _numbers(c_uint64, lib.im_completions_ids(completions, ctypes.byref(count)), count.value)
    failed = _numbers(c_size_t, lib.im_completions_failed(completions, ctypes.byref(count)), count.value)
    return ids, {ids[index]: change_error(lib.im_completions_error(completions, index)) for index in failed}


def _numbers(kind: Any, address: int | None, count: int) -> list[int]:
    numbers: list[int] = (kind * count).from_address(address)[:] if address else []
    return numbers
