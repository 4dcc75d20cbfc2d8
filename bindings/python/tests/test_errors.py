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


def test_every_violation_is_named_with_its_place_and_nothing_is_sent(emulator: Emulator, client: imtag.Client) -> None:
    with pytest.raises(imtag.InvalidRequest) as caught:
        client.add_tag({"a": ["x" * 51], "b" * 33: []})
    assert caught.value.violations == (
        imtag.Violation("users[0].tags[0]", "51 bytes, at most 50", "shorten it"),
        imtag.Violation("users[1].account", "33 bytes, at most 32", "shorten it"),
        imtag.Violation("users[1].tags", "none given, at least 1", caught.value.violations[2].remedy),
    )
    assert caught.value.effect is imtag.Effect.NOT_APPLIED
    assert emulator.arrivals() == 0


@pytest.mark.parametrize("tag", [b"a\xff", "a\ud800"], ids=["bytes", "lone surrogate"])
def test_bytes_that_are_not_utf8_are_named_with_their_place(client: imtag.Client, tag: str | bytes) -> None:
    with pytest.raises(imtag.InvalidRequest) as caught:
        client.add_tag({"xiaojun012": ["北京", tag]})
    assert [(it.place, it.problem) for it in caught.value.violations] == [
        ("users[0].tags[1]", "not UTF-8 from byte 1 on"),
    ]


def test_a_partial_success_names_every_account_that_failed(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", {"kind": "leave_out", "accounts": ["b", "c"], "code": 70107, "text": "not imported"})
    with pytest.raises(imtag.PartialFailure) as caught:
        client.add_tag({"a": ["x"], "b": ["x"], "c": ["x"]})
    error = caught.value
    assert [(it.account, it.code, it.text) for it in error.failures] == [
        ("b", 70107, "not imported"),
        ("c", 70107, "not imported"),
    ]
    assert {it.effect for it in error.failures} == {imtag.Effect.NOT_APPLIED}
    assert error.failures[0].remedy
    assert not error.failures[0].retryable
    assert error.code == 70107
    assert error.result.accounts == 1
    assert emulator.tags("a") == ["x"]


def test_the_services_refusal_has_its_code_text_and_request(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", {"kind": "code", "code": 60010, "text": "no administrator"})
    error = error_of(client, imtag.ServiceError)
    assert (error.code, error.text, error.attempts, error.attempts_sent) == (60010, "no administrator", 1, 1)
    assert error.request_id.startswith("emulator-")
    assert error.remedy
    assert error.remedy in str(error)
    assert not error.retryable


def test_an_http_status_is_not_the_services_answer(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", {"kind": "status", "status": 404})
    assert "404" in str(error_of(client, imtag.HttpStatusError))


def test_a_timeout_is_a_timeout_to_python_too(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", HANGS)
    error = error_of(client, imtag.TimeoutError, timeout=0.3, attempt_timeout=0.3)
    assert isinstance(error, builtins.TimeoutError)
    assert error.effect is imtag.Effect.POSSIBLY_APPLIED
    assert error.retryable


def test_a_timeout_of_zero_sends_nothing(emulator: Emulator, client: imtag.Client) -> None:
    assert error_of(client, imtag.TimeoutError, timeout=0).effect is imtag.Effect.NOT_APPLIED
    assert emulator.arrivals() == 0


def test_an_attempt_that_hangs_is_abandoned_and_made_again(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", HANGS)
    assert client.add_tag(USERS, timeout=20, attempt_timeout=0.2).attempts == 2


def test_the_longest_timeouts_are_accepted(client: imtag.Client) -> None:
    for timeout in (float("inf"), 1e300, 10**400, 2**62):
        assert client.add_tag(USERS, timeout=timeout, attempt_timeout=timeout).accounts == 1


def test_a_cancelled_call_says_so(client: imtag.Client) -> None:
    cancel = imtag.Cancel()
    cancel.cancel()
    with pytest.raises(imtag.Cancelled) as caught:
        client.add_tag(USERS, cancel=cancel)
    assert caught.value.effect is imtag.Effect.NOT_APPLIED


def test_a_refused_connection_is_a_connection_error_to_python_too(emulator: Emulator) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with emulator.client(endpoint=endpoint, max_attempts=1) as client:
            error = error_of(client, imtag.NetworkError)
    assert isinstance(error, ConnectionError)
    assert (error.attempts, error.attempts_sent, error.effect) == (1, 0, imtag.Effect.NOT_APPLIED)


def test_a_connection_that_is_cut_is_possibly_applied(emulator: Emulator) -> None:
    emulator.faults("add", {"kind": "cut_after"})
    with emulator.client(max_attempts=1) as client:
        assert error_of(client, imtag.NetworkError).effect is imtag.Effect.POSSIBLY_APPLIED
    assert emulator.tags("xiaojun012") == ["a"]


def test_a_server_that_cannot_prove_its_identity_gets_nothing() -> None:
    emulator = Emulator("--tls")
    try:
        with emulator.client() as client:
            assert error_of(client, imtag.TlsError).effect is imtag.Effect.NOT_APPLIED
        with emulator.client(ca_file=emulator.ca_file) as client:
            assert client.add_tag(USERS).accounts == 1
    finally:
        emulator.stop()


def test_an_answer_that_is_not_of_the_service_is_not_understood(emulator: Emulator) -> None:
    emulator.faults("add", {"kind": "garbage"})
    with emulator.client(max_attempts=1) as client:
        assert error_of(client, imtag.NotUnderstood).effect is imtag.Effect.POSSIBLY_APPLIED


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
