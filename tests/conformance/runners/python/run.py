"""The conformance runner of Python: a case a line in, its outcome a line out. It compares nothing.

A client is made by the settings of the case, what the case says is done, the client is closed. What a case leaves out
is not handed to the package either.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Callable

from batcher import play_batcher
from bulk import play_bulk
from observe import Observed
from options import call_options, milliseconds_gone, text
from outcome import outcome_of, result_of

import imtag


def main() -> None:
    """Run every case of standard input."""
    for line in sys.stdin.buffer:
        print(json.dumps(play(json.loads(line))), flush=True)


def play(case: dict[str, Any]) -> dict[str, Any]:
    """Run one case."""
    if not case.get("observe"):
        return outcome_of_case(case, lambda _: None)
    observed = Observed()
    outcome = outcome_of_case(case, observed.add)
    return {**outcome, **observed.end()}


def outcome_of_case(case: dict[str, Any], show: Callable[[imtag.Stats], None]) -> dict[str, Any]:
    """Run one case, show all figures at its end, and return its outcome."""
    try:
        with client_of(settings_of(case["settings"])) as client:
            try:
                if "bulk" in case:
                    return play_bulk(client, case["bulk"], show)
                if "batcher" in case:
                    return play_batcher(client, case["batcher"], show)
                return {"status": "ok", "result": result_of(play_call(client, case["call"]))}
            finally:
                show(client.stats())
    except imtag.PartialFailure as error:
        return {**outcome_of(error), "result": result_of(error.result)}
    except imtag.Error as error:
        return outcome_of(error)


def client_of(settings: dict[str, Any]) -> imtag.Client:
    """Make a client, of the environment if the case says so."""
    if "from_env" not in settings:
        return imtag.Client(**settings)
    return imtag.Client.from_env(settings.pop("from_env") or None, **settings)


def settings_of(settings: dict[str, Any]) -> dict[str, Any]:
    """Turn a case's settings into those of the package."""
    settings = milliseconds_gone(settings)
    if isinstance(settings.get("calls_per_second"), str):  # a number that JSON cannot say: NaN
        settings["calls_per_second"] = float(settings["calls_per_second"])
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


def play_call(client: imtag.Client, call: dict[str, Any]) -> imtag.Result:
    """Make the call."""
    with call_options(call) as options:
        if "users" in call:
            users = [(text(user["account"]), [text(tag) for tag in user["tags"]]) for user in call["users"]]
            operation = {"add": client.add_tag, "remove": client.remove_tag, "replace": client.replace_tags}
            return operation[call["operation"]](users, **options)
        accounts = [text(account) for account in call["accounts"]]
        return {"get": client.get_tag, "clear": client.clear_tags}[call["operation"]](accounts, **options)


if __name__ == "__main__":
    main()
