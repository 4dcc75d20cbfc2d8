from __future__ import annotations

import inspect
import traceback
from pathlib import Path
from typing import Any

import pytest
from emulator import Emulator

import imtag


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def found(home: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything that a client needs is in the environment."""
    monkeypatch.setenv("IMTAG_SDKAPPID", str(emulator.app["sdkappid"]))
    monkeypatch.setenv("IMTAG_IDENTIFIER", emulator.app["identifier"])
    monkeypatch.setenv("IMTAG_SECRET_KEY", emulator.secret_key)
    monkeypatch.setenv("IMTAG_ENDPOINT", emulator.endpoint)
    return home


def test_a_client_of_the_environment_makes_calls(found: Path) -> None:  # noqa: ARG001
    with imtag.Client.from_env() as client:
        assert client.get_tag(["nobody-yet"]).accounts == 1
        assert client.warnings == ()
        assert repr(client) == "<imtag.Client from_env>"


def test_keywords_take_the_place_of_what_is_found(found: Path, emulator: Emulator) -> None:  # noqa: ARG001
    client = imtag.Client.from_env(limits={"tag_bytes": 3}, timeout=None)
    with client, pytest.raises(imtag.InvalidRequest, match="at most 3"):
        client.add_tag({"a": ["abcd"]})
    with imtag.Client.from_env(credential_callback=emulator.usersig) as client:
        assert client.get_tag(["nobody-yet"]).accounts == 1
    with pytest.raises(imtag.SettingsError, match="region and endpoint are both set"):
        imtag.Client.from_env(region="china", endpoint="https://x")


def test_what_is_missing_is_named_with_each_place(home: Path) -> None:
    with pytest.raises(imtag.SettingsError) as caught:
        imtag.Client.from_env(identifier="administrator", secret_key="hush", region="china")
    assert str(caught.value) == (
        f"a setting is missing: set IMTAG_SDKAPPID, or sdkappid in {home}/.config/imtag/config.toml (the app's "
        "SDKAppID, as the console shows it)"
    )


def test_a_profile_is_asked_for_by_name(home: Path) -> None:
    file = home / ".config/imtag/config.toml"
    file.parent.mkdir(parents=True)
    top = 'identifier = "administrator"\nregion = "china"\n'
    file.write_text(top + '[profile.live]\nsdkappid = 1\nsecret_key = "hush"\n', encoding="utf-8")
    file.chmod(0o644)
    client = imtag.Client.from_env("live")
    assert repr(client) == "<imtag.Client from_env profile='live'>"
    assert client.warnings == (f"others can read {file}, which holds a secret: chmod 600 it",)
    with pytest.raises(imtag.SettingsError, match=f'there is no profile "test": {file} has live'):
        imtag.Client.from_env("test")


def test_it_takes_every_setting_of_a_client() -> None:
    ours, of_clients = (inspect.signature(it).parameters for it in (imtag.Client.from_env, imtag.Client))
    assert [name for name in ours if name != "profile"] == list(of_clients)


def test_a_keyword_that_there_is_not_is_named(found: Path) -> None:  # noqa: ARG001
    with pytest.raises(TypeError):
        imtag.Client.from_env(regoin="china")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "settings",
    [
        {"secret_key": "S3CR3T", "sdkappid": -1},
        {"secret_key": bytearray(b"S3CR3T")},
        {"proxy": "ftp://S3CR3T@proxy"},
        {"proxy": bytearray(b"S3CR3T")},
    ],
)
def test_no_secret_is_in_a_traceback_with_locals(found: Path, settings: dict[str, Any]) -> None:  # noqa: ARG001
    with pytest.raises((TypeError, imtag.SettingsError)) as caught:
        imtag.Client.from_env(**settings)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [str(frame.locals) for frame in shown.stack if "imtag" in Path(frame.filename).parts]
    assert ours
    assert not [text for text in ours if "S3CR3T" in text]
