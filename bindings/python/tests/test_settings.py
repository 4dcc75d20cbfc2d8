from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
from emulator import Emulator

import imtag

SETTINGS: dict[str, Any] = {
    "sdkappid": 1400000000,
    "identifier": "administrator",
    "secret_key": "key",
    "region": "singapore",
}


def client(**settings: Any) -> imtag.Client:
    settings = {**SETTINGS, **settings}
    return imtag.Client(**{name: value for name, value in settings.items() if value is not None})


def test_every_setting_is_accepted(emulator: Emulator) -> None:
    ca_file = Path(__file__).with_name("ca.pem")
    for settings in (
        {"region": "frankfurt", "secret_key": b"key", "identifier": b"admin"},
        {"secret_key": None, "usersig": "abc"},
        {"secret_key": None, "credential_callback": lambda: "abc"},
        {"proxy": "socks5h://corp:h%40sh@proxy", "spare_endpoint": "https://spare.example", "roots": "built-in"},
        {"proxy": b"direct", "spare_endpoint": "none"},
        {"generation": "timpush", "calls_per_second": 10, "max_attempts": 1},
        {"calls_per_second": 0.001},
        {"calls_per_second": 2.5},
        {"timeout": 0.5, "connect_timeout": 2, "limits": {"tag_bytes": 60, "users_per_request": 200}},
        {"timeout": float("inf"), "connect_timeout": float("inf")},
    ):
        client(**settings).close()
    with pytest.raises(imtag.SettingsError, match=str(ca_file)):
        client(ca_file=ca_file)
    with emulator.client(limits={"tag_bytes": 3}) as limited, pytest.raises(imtag.InvalidRequest, match="at most 3"):
        limited.add_tag({"a": ["abcd"]})


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"sdkappid": 2**32}, "sdkappid: 4294967296, expected 1 to 4294967295"),
        ({"sdkappid": -1}, "sdkappid: -1, expected 1 to 4294967295"),
        ({"identifier": "\ud800"}, "identifier: not UTF-8 from byte 0 on"),
        ({"usersig": "abc"}, "secret_key and usersig are both set: set one of them"),
        ({"endpoint": "https://example.com"}, "region and endpoint are both set: set one of them"),
        ({"roots": "platform", "ca_file": "/dev/null"}, "roots and ca_file are both set: set one of them"),
        ({"proxy": "http://corp:hush\ud800@proxy"}, "proxy: not UTF-8 from byte 16 on"),
        ({"calls_per_second": 2**40}, "^1099511627776 calls per second: set 0.001 to 100000"),
        ({"calls_per_second": 10**400}, "^inf calls per second: set 0.001 to 100000"),
        ({"calls_per_second": -(10**400)}, "^-inf calls per second: set 0.001 to 100000"),
        ({"limits": {"tag_bytes": -1}}, r"limits\['tag_bytes'\]: -1"),
    ],
)
def test_a_setting_that_no_call_of_the_library_can_have_is_named(settings: Any, named: str) -> None:
    with pytest.raises(imtag.SettingsError, match=named) as caught:
        client(**settings)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"sdkappid": "1400000000"}, "sdkappid: str, expected int"),
        ({"sdkappid": True}, "sdkappid: bool, expected int"),
        ({"identifier": 7}, "identifier: int, expected str"),
        ({"secret_key": 7}, "secret_key: int, expected str"),
        ({"proxy": 7}, "proxy: int, expected str"),
        ({"spare_endpoint": 7}, "spare_endpoint: int, expected str"),
        ({"roots": 7}, "roots: int, expected str"),
        ({"timeout": "1"}, "timeout: str, expected seconds as int or float"),
        ({"calls_per_second": "1.5"}, "calls_per_second: str, expected int or float"),
        ({"calls_per_second": True}, "calls_per_second: bool, expected int or float"),
        ({"fresh_start": 1}, "fresh_start: int, expected bool"),
        ({"fresh_start": "false"}, "fresh_start: str, expected bool"),
        ({"secret_key": None, "credential_callback": "abc"}, "credential_callback: str, expected a callable"),
        ({"limits": {"tag_bytes": "60"}}, r"limits['tag_bytes']: str, expected int"),
    ],
)
def test_a_setting_of_a_wrong_type_is_named(settings: Any, why: str) -> None:
    with pytest.raises(TypeError) as caught:
        client(**settings)
    assert str(caught.value) == why


def test_settings_are_passed_by_name() -> None:
    with pytest.raises(TypeError, match="positional"):
        imtag.Client(1400000000, "administrator")  # type: ignore[misc]


def test_secrets_are_in_no_repr_and_no_error(emulator: Emulator) -> None:
    secret = "s3cret-that-nobody-may-see"
    supplied = imtag.UserSig(secret, 60)
    shown = [repr(supplied), str(supplied)]
    for credentials in ({"secret_key": secret}, {"usersig": secret}, {"credential_callback": lambda: supplied}):
        with client(**{"secret_key": None, "region": None, "endpoint": emulator.endpoint, **credentials}) as it:
            shown.append(repr(it))
            with pytest.raises(imtag.Error) as caught:
                it.add_tag({"a": ["x"]})
            shown += [str(caught.value), repr(caught.value), repr(caught.value.__dict__)]
    proxy = f"http://corp:{secret}@127.0.0.1:1"
    with client(proxy=proxy, max_attempts=1) as it:
        shown.append(repr(it))
        with pytest.raises(imtag.NetworkError, match="cannot be reached") as unreachable:
            it.add_tag({"a": ["x"]})
        shown += [str(unreachable.value), repr(unreachable.value), repr(unreachable.value.__dict__)]
    for wrong in (
        {"region": "atlantis"},
        {"usersig": secret},
        {"secret_key": secret + "\ud800"},
        {"proxy": f"ftp://{secret}@proxy"},
        {"proxy": proxy + "\ud800"},
        {"proxy": proxy, "region": "atlantis"},
    ):
        with pytest.raises(imtag.SettingsError) as caught:
            client(**{"secret_key": secret, **wrong})
        shown += [str(caught.value), repr(caught.value.__dict__)]
    assert not [text for text in shown if secret in text]


def test_a_ca_file_or_limits_of_a_wrong_type_are_named() -> None:
    with pytest.raises(TypeError, match="ca_file: int, expected str"):
        client(ca_file=5)
    with pytest.raises(TypeError, match="limits: list, expected a mapping: write "):
        client(limits=["tag_bytes"])


@pytest.mark.parametrize(
    "settings",
    [
        {"secret_key": bytearray(b"S3CR3T")},
        {"secret_key": "S3CR3T", "sdkappid": 0},
        {"proxy": bytearray(b"S3CR3T")},
        {"proxy": "ftp://S3CR3T@proxy"},
    ],
)
def test_no_secret_is_in_a_traceback_with_locals(settings: dict[str, Any]) -> None:
    with pytest.raises((TypeError, imtag.SettingsError)) as caught:
        imtag.Client(**{**SETTINGS, **settings})
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [str(frame.locals) for frame in shown.stack if "imtag" in Path(frame.filename).parts]
    assert ours
    assert "S3CR3T" not in "".join(ours)
