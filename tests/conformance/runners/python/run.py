"""The conformance runner of Python: a case a line in, its outcome a line out. It compares nothing.

A client is made by the settings of the case, the one call is made, the client is closed. What a case leaves out is not
handed to the package either.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any, Callable

import imtag

STATUSES = {
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
}


def main() -> None:
    """Run every case of standard input."""
    for line in sys.stdin.buffer:
        print(json.dumps(outcome_of(json.loads(line))), flush=True)


def outcome_of(case: dict[str, Any]) -> dict[str, Any]:
    """Run one case."""
    try:
        with imtag.Client(**settings_of(case["settings"])) as client:
            return {"status": "ok", "result": shown(made(client, case["call"]))}
    except imtag.PartialFailure as error:
        return {"status": "partial", "result": shown(error.result), "error": described(error)}
    except imtag.Error as error:
        return {"status": STATUSES[type(error)], "error": described(error)}


def settings_of(settings: dict[str, Any]) -> dict[str, Any]:
    """Turn a case's settings into those of the package."""
    settings = {
        name[: -len("_ms")] if name.endswith("_ms") else name: value / 1000 if name.endswith("_ms") else value
        for name, value in settings.items()
    }
    callback = settings.get("credential_callback")
    if callback is not None:
        settings["credential_callback"] = supplier(callback)
    return settings


def supplier(answer: dict[str, Any]) -> Callable[[], imtag.UserSig]:
    """Make a callback that answers as the case says."""
    asked = 0

    def callback() -> imtag.UserSig:
        nonlocal asked
        asked += 1
        if "refuse" in answer and (asked > 1 or "usersig" not in answer):
            raise RuntimeError(answer["refuse"])
        valid_for = answer.get("valid_for_ms", 0) / 1000
        return imtag.UserSig(answer["usersig"], valid_for or None)

    return callback


def made(client: imtag.Client, call: dict[str, Any]) -> imtag.Result:
    """Make the call."""
    options = {name: call[f"{name}_ms"] / 1000 for name in ("timeout", "attempt_timeout") if f"{name}_ms" in call}
    timer = None
    if "cancel_after_ms" in call:
        cancel = options["cancel"] = imtag.Cancel()
        if call["cancel_after_ms"] == 0:
            cancel.cancel()
        else:
            timer = threading.Timer(call["cancel_after_ms"] / 1000, cancel.cancel)
            timer.start()
    try:
        if "users" in call:
            users = [(text(user["account"]), [text(tag) for tag in user["tags"]]) for user in call["users"]]
            operation = {"add": client.add_tag, "remove": client.remove_tag, "replace": client.replace_tags}
            return operation[call["operation"]](users, **options)
        accounts = [text(account) for account in call["accounts"]]
        return {"get": client.get_tag, "clear": client.clear_tags}[call["operation"]](accounts, **options)
    finally:
        if timer is not None:
            timer.cancel()
            timer.join()


def text(of: Any) -> str | bytes:
    """Return a text of a case, which may be any bytes."""
    return of if isinstance(of, str) else bytes.fromhex(of["hex"])


def shown(result: imtag.Result) -> dict[str, Any]:
    """Return a result as the protocol has it."""
    return {
        "accounts": result.accounts,
        "attempts": result.attempts,
        "attempts_sent": result.attempts_sent,
        "request_id": result.request_id,
        "users": [{"account": account, "tags": tags} for account, tags in result.users.items()],
        "unanswered": result.unanswered,
    }


def described(error: imtag.Error) -> dict[str, Any]:
    """Return an error as the protocol has it."""
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


if __name__ == "__main__":
    main()
