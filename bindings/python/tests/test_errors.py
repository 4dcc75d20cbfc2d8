from __future__ import annotations

import builtins
import copy
import dataclasses
import pickle
import re
import socket

import pytest
from emulator import HANGS, REPOSITORY, Emulator

import imtag
from imtag import _raise

USERS = {"xiaojun012": ["a"]}


def error_of(client: imtag.Client, kind: type[imtag.Error], **options: float) -> imtag.Error:
    with pytest.raises(kind) as caught:
        client.add_tag(USERS, **options)  # type: ignore[arg-type]
    assert type(caught.value) is kind
    return caught.value


@pytest.mark.parametrize("tag", [b"a\xff", "a\ud800"], ids=["bytes", "lone surrogate"])
def test_bytes_that_are_not_utf8_are_named_with_their_place(client: imtag.Client, tag: str | bytes) -> None:
    with pytest.raises(imtag.InvalidRequest) as caught:
        client.add_tag({"xiaojun012": ["北京", tag]})
    assert [(it.place, it.problem) for it in caught.value.violations] == [
        ("users[0].tags[1]", "not UTF-8 from byte 1 on"),
    ]


def test_a_timeout_is_a_timeout_to_python_too(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", HANGS)
    error = error_of(client, imtag.TimeoutError, timeout=0.3, attempt_timeout=0.3)
    assert isinstance(error, builtins.TimeoutError)
    assert error.effect is imtag.Effect.POSSIBLY_APPLIED
    assert error.retryable


def test_the_longest_timeouts_are_accepted(client: imtag.Client) -> None:
    for timeout in (float("inf"), 1e300, 10**400, 2**62):
        assert client.add_tag(USERS, timeout=timeout, attempt_timeout=timeout).accounts == 1


def test_a_refused_connection_is_a_connection_error_to_python_too(emulator: Emulator) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with emulator.client(endpoint=endpoint, max_attempts=1) as client:
            error = error_of(client, imtag.NetworkError)
    assert isinstance(error, ConnectionError)
    assert (error.attempts, error.attempts_sent, error.effect) == (1, 0, imtag.Effect.NOT_APPLIED)


def test_every_status_of_the_header_has_its_class() -> None:
    header = (REPOSITORY / "include" / "imtag.h").read_text(encoding="utf-8")
    numbers = dict(re.findall(r"^#define IM_(\w+) (\d+)$", header, re.MULTILINE))
    statuses = list(numbers)[list(numbers).index("OK") : list(numbers).index("NO_THREAD") + 1]
    classes = {kind.__name__.lower().replace("error", ""): status for status, kind in _raise._CLASSES.items()}
    renamed = {"partialfailure": "partial", "invalidrequest": "invalid", "notunderstood": "not_understood"}
    renamed |= {"httpstatus": "http_status", "nothread": "no_thread"}
    ours = {renamed.get(name, name): status for name, status in classes.items()}
    assert ours == {name.lower(): int(numbers[name]) for name in statuses if name != "OK"}


def test_every_error_can_be_pickled_with_all_its_fields(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", {"kind": "leave_out", "accounts": ["b"], "code": 70107}, HANGS)
    with pytest.raises(imtag.PartialFailure) as partial:
        client.add_tag({"a": ["x"], "b": ["x"]})
    with pytest.raises(imtag.TimeoutError) as timeout:
        client.add_tag(USERS, timeout=0.2, attempt_timeout=0.2)
    with pytest.raises(imtag.InvalidRequest) as invalid:
        client.add_tag({"a": [""]})
    for error in (partial.value, timeout.value, invalid.value):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__
    for name in imtag.__all__:
        kind = getattr(imtag, name)
        if isinstance(kind, type) and issubclass(kind, imtag.Error):
            assert str(pickle.loads(pickle.dumps(kind("why", code=7)))) == "why"


def test_results_violations_and_failures_are_dataclasses() -> None:
    violation = imtag.Violation("users[0]", "empty", remedy="fill it")
    assert repr(violation) == "Violation(place='users[0]', problem='empty', remedy='fill it')"
    assert violation == imtag.Violation("users[0]", "empty", "fill it") != imtag.Violation("", "", "")
    assert len({violation, copy.copy(violation), pickle.loads(pickle.dumps(violation))}) == 1
    assert dataclasses.asdict(violation) == {"place": "users[0]", "problem": "empty", "remedy": "fill it"}
    assert dataclasses.replace(violation, place="x").place == "x"
    assert [field.name for field in dataclasses.fields(imtag.UserSig)] == ["text", "valid_for"]
    assert imtag.Summary(taken=3, done=1).unsettled == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        violation.place = "y"  # type: ignore[misc]
    for wrong in ({}, {"place": "", "problem": "", "remedy": "", "more": ""}):
        with pytest.raises(TypeError, match=r"Violation\(\) takes each of place, problem, remedy once"):
            imtag.Violation(**wrong)
    with pytest.raises(TypeError):
        imtag.UserSig("a", 1, 2)  # type: ignore[call-arg]
