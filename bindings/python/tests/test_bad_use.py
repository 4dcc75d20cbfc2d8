from __future__ import annotations

import copy
import datetime
import pickle
from typing import Any

import pytest
from emulator import Emulator

import imtag


def refused(call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(TypeError) as caught:
        call(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("users", "why"),
    [
        ({"a": "vip"}, "users[0].tags: str, expected several (account 'a'): write [tag] in place of tag"),
        (
            {"a": ["x"], "b": b"vip"},
            "users[1].tags: bytes, expected several (account 'b'): write [tag] in place of tag",
        ),
        ({"a": None}, "users[0].tags: NoneType, expected an iterable of str (account 'a')"),
        ({"a": ["x"], "b": ["x"], "c": [7]}, "users[2].tags[0]: int, expected str"),
        ({"a": ["x", b"y", None]}, "users[0].tags[2]: NoneType, expected str"),
        ({"a": ["x"], 7: ["x"]}, "users[1].account: int, expected str"),
        ("a", "users: str, expected a mapping or pairs: write {account: [tag, ...]}"),
        (None, "users: NoneType, expected a mapping or pairs: write {account: [tag, ...]}"),
        (["ab"], "users[0]: str, expected a pair (account, [tag, ...])"),
        ([("a", ["x"]), {"account": "a", "tags": []}], "users[1]: dict, expected a pair (account, [tag, ...])"),
        ([("a", "x", "y")], "users[0]: a tuple of 3, expected a pair (account, [tag, ...])"),
    ],
)
def test_users_of_a_wrong_type_are_named_by_their_place(
    emulator: Emulator, client: imtag.Client, users: Any, why: str
) -> None:
    for call in (client.add_tag, client.remove_tag, client.replace_tags):
        assert refused(call, users) == why
    assert emulator.arrivals() == 0


@pytest.mark.parametrize(
    ("accounts", "why"),
    [
        ("xiaojun012", "accounts: str, expected several: write [account] in place of account"),
        (7, "accounts: int, expected an iterable of str"),
        (["a", 7], "accounts[1]: int, expected str"),
        ([b"a", None], "accounts[1]: NoneType, expected str"),
    ],
)
def test_accounts_of_a_wrong_type_are_named_by_their_place(client: imtag.Client, accounts: Any, why: str) -> None:
    assert refused(client.get_tag, accounts) == why
    assert refused(client.clear_tags, accounts) == why


def test_an_exception_of_an_iterator_reaches_the_caller(client: imtag.Client) -> None:
    def tags() -> Any:
        yield "a"
        raise LookupError("no more tags")

    with pytest.raises(LookupError, match="no more tags"):
        client.add_tag({"a": tags()})


def test_options_of_a_wrong_type_or_range_are_named(client: imtag.Client) -> None:
    users = {"a": ["x"]}
    assert refused(client.add_tag, users, timeout="1") == "timeout: str, expected seconds as int or float"
    hint = "timeout: timedelta, expected seconds as int or float: write .total_seconds()"
    assert refused(client.add_tag, users, timeout=datetime.timedelta(seconds=1)) == hint
    assert refused(client.add_tag, users, attempt_timeout=True).startswith("attempt_timeout: bool, expected seconds")
    assert refused(client.add_tag, users, cancel=object()) == "cancel: object, expected imtag.Cancel"
    assert "positional" in refused(client.add_tag, users, 1)
    for timeout in (-1, -0.1, float("nan"), float("-inf")):
        with pytest.raises(ValueError, match=r"timeout: .*, expected seconds, 0 or more"):
            client.add_tag(users, timeout=timeout)


def test_a_closed_client_says_so_for_every_operation(emulator: Emulator) -> None:
    client = emulator.client()
    client.close()
    client.close()
    for call in (client.add_tag, client.remove_tag, client.replace_tags):
        with pytest.raises(imtag.ClosedError, match="the client is closed: make another one"):
            call({"a": ["x"]})
    for read in (client.get_tag, client.clear_tags):
        with pytest.raises(imtag.ClosedError):
            read(["a"])
    assert repr(client) == "<imtag.Client sdkappid=1400000000 identifier='administrator' closed>"
    assert emulator.arrivals() == 0


@pytest.mark.parametrize("copies", [copy.copy, copy.deepcopy, pickle.dumps])
def test_handles_of_this_process_are_neither_copied_nor_pickled(client: imtag.Client, copies: Any) -> None:
    assert "make one in each process" in refused(copies, client)
    assert "cannot be copied or pickled" in refused(copies, imtag.Cancel())


def test_a_code_that_is_no_number_is_refused() -> None:
    assert refused(imtag.explain, "60007") == "code: str, expected int"
    with pytest.raises(OverflowError, match="32 bits"):
        imtag.explain(2**40)
