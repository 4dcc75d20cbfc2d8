"""What came of a case, in the words of the protocol."""

from __future__ import annotations

from typing import Any

import imtag

_STATUSES = {
    imtag.PartialFailure: "partial",
    imtag.InvalidRequest: "invalid",
    imtag.Misuse: "misuse",
    imtag.SettingsError: "settings",
    imtag.CredentialsError: "credentials",
    imtag.ServiceError: "service",
    imtag.HttpStatusError: "http_status",
    imtag.TimeoutError: "timeout",
    imtag.Cancelled: "cancelled",
    imtag.NetworkError: "network",
    imtag.TlsError: "tls",
    imtag.NotUnderstood: "not_understood",
    imtag.Defect: "defect",
    imtag.Full: "full",
    imtag.ClosedError: "closed",
    imtag.NoThread: "no_thread",
}
_OF_A_CHANGE = ("status", "message", "remedy", "code", "text", "effect", "retryable", "violations")


def outcome_of(error: imtag.Error) -> dict[str, Any]:
    """Return how something ended that raised."""
    return {"status": _status(error), "error": _described(error)}


def failure_of(error: imtag.Error, **place: int) -> dict[str, Any]:
    """Return the failure of a change, or of a step: where it stands, and why."""
    known = {"status": _status(error), **_described(error)}
    failed: dict[str, Any] = {**place, **{name: known[name] for name in _OF_A_CHANGE if name in known}}
    if isinstance(error, imtag.ChangeError):
        failed.update(account=error.account, undone=error.undone)
    return failed


def result_of(result: imtag.Result) -> dict[str, Any]:
    """Return a result."""
    return {
        "accounts": result.accounts,
        "attempts": result.attempts,
        "attempts_sent": result.attempts_sent,
        "request_id": result.request_id,
        "users": [{"account": account, "tags": tags} for account, tags in result.users.items()],
        "unanswered": result.unanswered,
    }


def _status(error: imtag.Error) -> str:
    """Return the status of its class, or of the class that a change's error is besides."""
    return next(status for kind, status in _STATUSES.items() if isinstance(error, kind))


def _described(error: imtag.Error) -> dict[str, Any]:
    described = {
        "message": str(error),
        "remedy": error.remedy,
        "code": error.code,
        "text": error.text,
        "effect": error.effect.value,
        "retryable": error.retryable,
        "attempts": error.attempts,
        "attempts_sent": error.attempts_sent,
        "request_id": error.request_id,
    }
    if isinstance(error, imtag.InvalidRequest):
        described["violations"] = [vars(violation) for violation in error.violations]
    if isinstance(error, imtag.PartialFailure):
        described["failures"] = [{**vars(failure), "effect": failure.effect.value} for failure in error.failures]
    return described
