from __future__ import annotations

import contextlib
import gc
import threading
import traceback
import weakref
from pathlib import Path
from typing import Any

import pytest
from emulator import Emulator

import imtag

USERS = {"xiaojun012": ["a"]}


class VaultError(Exception):
    pass


def client(emulator: Emulator, callback: Any, **settings: Any) -> imtag.Client:
    return imtag.Client(**emulator.app, endpoint=emulator.endpoint, credential_callback=callback, **settings)


def error_of(emulator: Emulator, callback: Any) -> imtag.CredentialsError:
    with client(emulator, callback) as it, pytest.raises(imtag.CredentialsError) as caught:
        it.add_tag(USERS)
    assert emulator.arrivals() == 0
    return caught.value


@pytest.mark.parametrize(
    "answer", ["abc", b"abc", ("abc", 60), (b"abc", None), imtag.UserSig("abc"), imtag.UserSig("abc", 0.5)]
)
def test_a_callbacks_usersig_is_used_in_every_form(emulator: Emulator, answer: Any) -> None:
    with client(emulator, lambda: answer) as it, pytest.raises(imtag.ServiceError) as caught:
        it.add_tag(USERS)
    assert caught.value.code == 70003  # it arrived, as the emulator has checked it


def test_an_exception_of_a_callback_is_the_cause(emulator: Emulator) -> None:
    raised = VaultError("the vault is sealed")

    def callback() -> str:
        raise raised

    error = error_of(emulator, callback)
    assert error.__cause__ is raised
    assert "the vault is sealed" in str(error)
    assert error.effect is imtag.Effect.NOT_APPLIED


def test_an_exception_without_a_message_is_named(emulator: Emulator) -> None:
    def callback() -> str:
        raise VaultError

    assert "VaultError" in str(error_of(emulator, callback))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "the result of credential_callback: NoneType, expected str"),
        ((7, 60), "the UserSig of credential_callback: int, expected str"),
        (("abc", "60"), "valid_for: str, expected seconds as int or float"),
        (("abc", -1), "valid_for: -1, expected seconds above 0, or None if unknown"),
        (imtag.UserSig("abc", 0), "valid_for: 0, expected seconds above 0, or None if unknown"),
        (("abc", 1, 2), "the result of credential_callback: tuple, expected str"),
    ],
)
def test_a_callback_that_returns_something_else_fails_the_call(emulator: Emulator, answer: Any, why: str) -> None:
    error = error_of(emulator, lambda: answer)
    assert why in str(error)
    assert isinstance(error.__cause__, (TypeError, ValueError))


def test_a_text_that_is_no_usersig_is_refused_by_the_library(emulator: Emulator) -> None:
    error = error_of(emulator, lambda: "not a UserSig\n")
    assert error.__cause__ is None
    assert "UserSig" in str(error)


def test_keyboard_interrupt_in_a_callback_is_raised_as_it_is(emulator: Emulator) -> None:
    def callback() -> str:
        raise KeyboardInterrupt

    with client(emulator, callback) as it, pytest.raises(KeyboardInterrupt) as caught:
        it.add_tag(USERS)
    assert isinstance(caught.value.__cause__, imtag.CredentialsError)


def test_each_thread_gets_the_cause_of_its_own_call(emulator: Emulator) -> None:
    causes: dict[str, str] = {}

    def callback() -> str:
        raise VaultError(threading.current_thread().name)

    def call(it: imtag.Client) -> None:
        try:
            it.add_tag(USERS)
        except imtag.CredentialsError as error:
            causes[threading.current_thread().name] = str(error.__cause__)

    with client(emulator, callback) as it:
        threads = [threading.Thread(target=call, args=(it,), name=f"thread {number}") for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert causes == {f"thread {number}": f"thread {number}" for number in range(4)}


def test_a_callback_that_refers_to_its_client_keeps_nothing_alive(emulator: Emulator) -> None:
    class Owner:
        def __init__(self) -> None:
            self.client = client(emulator, self.usersig)

        def usersig(self) -> str:
            return "abc"

    owner = Owner()
    with pytest.raises(imtag.ServiceError):
        owner.client.add_tag(USERS)
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None


def test_a_callback_that_fails_leaves_no_cycle(emulator: Emulator) -> None:
    def callback() -> str:
        raise VaultError

    def fail(it: imtag.Client) -> None:
        with contextlib.suppress(imtag.CredentialsError):
            it.add_tag(USERS)

    with client(emulator, callback) as it:
        fail(it)
        gc.collect()
        gc.disable()
        try:
            fail(it)
            assert gc.collect() == 0
        finally:
            gc.enable()


@pytest.mark.parametrize(
    "answer", [("S3CR3T", "soon"), ("S3CR3T", 0), imtag.UserSig("S3CR3T", -1), bytearray(b"S3CR3T")]
)
def test_a_callbacks_usersig_is_in_no_traceback_with_locals(emulator: Emulator, answer: Any) -> None:
    cause = error_of(emulator, lambda: answer).__cause__
    assert cause is not None
    shown = traceback.TracebackException.from_exception(cause, capture_locals=True)
    ours = [str(frame.locals) for frame in shown.stack if "imtag" in Path(frame.filename).parts]
    assert ours
    assert "S3CR3T" not in "".join(ours)
