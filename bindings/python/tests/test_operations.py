from __future__ import annotations

import pytest
from emulator import Emulator

import imtag


def test_tags_are_added_read_removed_and_cleared(emulator: Emulator, client: imtag.Client) -> None:
    added = client.add_tag({"xiaojun012": ["b", "a"], "xiaojun013": ["a"]})
    assert (added.accounts, added.attempts, added.attempts_sent, added.users, added.unanswered) == (2, 1, 1, {}, [])
    assert added.request_id.startswith("emulator-")
    assert client.get_tag(["xiaojun012", "xiaojun013"]).users == {"xiaojun012": ["a", "b"], "xiaojun013": ["a"]}
    client.remove_tag({"xiaojun012": ["a"]})
    assert emulator.tags("xiaojun012") == ["b"]
    client.clear_tags(["xiaojun012"])
    assert emulator.tags("xiaojun012") == []
    assert emulator.tags("xiaojun013") == ["a"]


@pytest.mark.parametrize(
    "users",
    [
        {"xiaojun012": ("a", "北京")},
        {b"xiaojun012": [b"a", "北京".encode()]},
        [("xiaojun012", ["a", "北京"])],
        [["xiaojun012", ["a", "北京".encode()]]],
        (pair for pair in [("xiaojun012", (tag for tag in ["a", "北京"]))]),
        {"xiaojun012": {"a": None, "北京": None}.keys()},
    ],
    ids=["tuple", "bytes", "pairs", "lists", "generators", "keys"],
)
def test_users_come_as_any_mapping_or_pairs_of_str_or_bytes(emulator: Emulator, client: imtag.Client, users) -> None:  # type: ignore[no-untyped-def]
    assert client.add_tag(users).accounts == 1
    assert emulator.bodies() == [{"UserTags": [{"To_Account": "xiaojun012", "Tags": ["a", "北京"]}]}]


def test_a_full_batch_arrives_as_it_was_given(client: imtag.Client) -> None:
    users = {f"用户{user}": [f"tag-{user}-{tag}" for tag in range(10)] for user in range(100)}
    assert client.add_tag(users).accounts == 100
    read = client.get_tag(iter(users))
    assert read.users == users
    assert list(read.users) == list(users)


def test_a_code_is_explained() -> None:
    known = imtag.explain(60007)
    assert (known.code, known.known) == (60007, True)
    assert (known.retry, known.effect) == (imtag.Retry.AFTER_WINDOW, imtag.Effect.NOT_APPLIED)
    assert "frequency" in known.meaning
    assert known.remedy
    assert not imtag.explain(-1).known


def test_a_result_cannot_be_changed(client: imtag.Client) -> None:
    result = client.add_tag({"xiaojun012": ["a"]})
    with pytest.raises(AttributeError):
        result.accounts = 2  # type: ignore[misc]


def test_a_mapping_may_have_keys_of_any_kind_of_text(client: imtag.Client) -> None:
    class Account(str):
        pass

    of_both: dict[str | bytes, list[str]] = {"a": ["x"], b"b": ["x"]}
    of_own: dict[Account, list[str]] = {Account("c"): ["x"]}
    assert client.add_tag(of_both).accounts == 2
    assert client.add_tag(of_own).accounts == 1


def test_a_str_with_a_length_of_its_own_is_sent_as_its_text(client: imtag.Client) -> None:
    class Odd(str):
        def __len__(self) -> int:
            return 7

    client.add_tag({Odd("a"): [Odd("x")]})
    assert client.get_tag(["a"]).users == {"a": ["x"]}
