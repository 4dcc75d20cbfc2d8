"""Puts users and accounts into the flat form of libimtag: all texts in one buffer, and how many tags each user has.

It checks types only; the library checks the texts. Texts are joined and encoded as one, with a NUL after each, which
costs a third of what their lengths do. Where that is ambiguous or fails (a text has a NUL, is bytes, or holds
surrogates), each is encoded by itself, and their lengths say where it ends; surrogates are passed on, so that the
library names their place as it does for any bytes that are not UTF-8.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any, Union

from ._prototypes import Str, string

Text = Union[str, bytes]
Users = Union[
    Mapping[Any, Iterable[Text]],  # keys are Text, but to a type checker a Mapping[str, ...] is no Mapping[Text, ...]
    Iterable[tuple[Text, Iterable[Text]]],
]
Accounts = Iterable[Text]

# the letter of a size_t on this machine
_SIZE = next(code for code in "QLI" if array(code).itemsize == ctypes.sizeof(ctypes.c_size_t))
# and of an im_operation
_OPERATION = next(code for code in "il" if array(code).itemsize == ctypes.sizeof(ctypes.c_int32))


class Flat:
    """The arguments of a flat call between client and im_call. They point into what this keeps."""

    __slots__ = ("arguments", "kept")

    def __init__(self, texts: list[Any], counts: array[int] | None = None) -> None:
        lengths: array[int] | None = None
        text = _terminated(texts)
        if text is None:
            text, lengths = _joined(texts)
        self.kept: tuple[Any, ...] = (text, lengths, counts)
        address = None if lengths is None else lengths.buffer_info()[0]
        self.arguments: tuple[Any, ...] = (text, len(text), address, len(texts))
        if counts is not None:
            self.arguments += counts.buffer_info()


def users_flat(users: Users) -> Flat:
    """Users with their tags: a mapping, or pairs."""
    texts: list[Any] = []
    counts: list[int] = []
    if isinstance(users, Mapping):
        pairs: Iterable[Any] = users.items()
    else:
        pairs = _pairs(users)
    for account, tags in pairs:
        if type(tags) is not list:
            tags = _list_of_tags(tags, account, len(counts))
        texts.append(account)
        before = len(texts)
        texts += tags
        counts.append(len(texts) - before)  # counted after copying: another thread may change the caller's list
    try:
        return Flat(texts, array(_SIZE, counts))
    except TypeError:
        raise _wrong_text(texts, counts) from None


def accounts_flat(accounts: Accounts) -> Flat:
    """Accounts alone."""
    if isinstance(accounts, (str, bytes)):
        raise TypeError(f"accounts: {_name(accounts)}, expected several: write [account] in place of account")
    if not isinstance(accounts, Iterable):
        raise TypeError(f"accounts: {_name(accounts)}, expected an iterable of str")
    texts = list(accounts)
    try:
        return Flat(texts)
    except TypeError:
        index, text = _first_wrong(texts)
        raise TypeError(f"accounts[{index}]: {_name(text)}, expected str") from None


def changes_flat(changes: Sequence[tuple[int, Text, tuple[Text, ...]]]) -> tuple[int, Flat]:
    """Flatten (operation, account, tags): the address of the operations, which the Flat keeps alive, and the Flat."""
    texts: list[Text] = []
    for _, account, tags in changes:
        texts.append(account)
        texts += tags
    operations = array(_OPERATION, [operation for operation, _, _ in changes])
    flat = Flat(texts, array(_SIZE, [len(tags) for _, _, tags in changes]))
    flat.kept += (operations,)
    return operations.buffer_info()[0], flat


class Strings:
    """An account and its tags as im_str. They point into what this keeps."""

    __slots__ = ("account", "kept", "tags")

    def __init__(self, account: Text, tags: tuple[Text, ...]) -> None:
        text, lengths = _joined([account, *tags])
        data = string(text).data or 0
        ends = list(accumulate(lengths, initial=data))
        words = array(_SIZE, chain.from_iterable(zip(ends[1:], lengths[1:])))
        self.kept = text, words
        self.account = Str(data, lengths[0])
        self.tags: tuple[int, int] = words.buffer_info()[0], len(tags)


def encoded(text: Text, place: str) -> bytes:
    """One text on its own."""
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    if isinstance(text, bytes):
        return text
    kind = _name(text)
    del text  # it may be a secret, and some tools show the locals of a traceback
    raise TypeError(f"{place}: {kind}, expected str")


def _terminated(texts: list[Any]) -> bytes | None:
    """All texts as one, with a NUL after each; None where one has a NUL, is no str or holds surrogates."""
    try:
        text = ("\0".join(texts) + "\0").encode()
    except (TypeError, UnicodeEncodeError):
        return None
    return text if text.count(0) == len(texts) else None


def _joined(texts: list[Any]) -> tuple[bytes, array[int]]:
    """All texts as one, and their lengths. TypeError if one of them is no text."""
    try:
        parts = list(map(str.encode, texts))
    except (TypeError, UnicodeEncodeError):  # bytes, or surrogates
        parts = [encoded(text, "") for text in texts]
    return b"".join(parts), array(_SIZE, map(len, parts))


def _pairs(users: Any) -> Iterable[Any]:
    if isinstance(users, (str, bytes)) or not isinstance(users, Iterable):
        raise TypeError(f"users: {_name(users)}, expected a mapping or pairs: write {{account: [tag, ...]}}")
    for index, pair in enumerate(users):
        if not isinstance(pair, (tuple, list)):
            raise TypeError(f"users[{index}]: {_name(pair)}, expected a pair (account, [tag, ...])")
        if len(pair) != 2:
            raise TypeError(f"users[{index}]: a {_name(pair)} of {len(pair)}, expected a pair (account, [tag, ...])")
        yield pair


def _list_of_tags(tags: Any, account: Any, index: int) -> list[Any]:
    if isinstance(tags, (str, bytes)):
        raise TypeError(
            f"users[{index}].tags: {_name(tags)}, expected several (account {account!r}): write [tag] in place of tag"
        )
    if not isinstance(tags, Iterable):
        raise TypeError(f"users[{index}].tags: {_name(tags)}, expected an iterable of str (account {account!r})")
    return list(tags)


def _wrong_text(texts: list[Any], counts: list[int]) -> TypeError:
    at, text = _first_wrong(texts)
    for user, count in enumerate(counts):
        if at <= count:
            place = f"users[{user}].account" if at == 0 else f"users[{user}].tags[{at - 1}]"
            return TypeError(f"{place}: {_name(text)}, expected str")
        at -= count + 1
    return TypeError(f"users: {_name(text)}, expected str")


def _first_wrong(texts: list[Any]) -> tuple[int, Any]:
    return next(((index, text) for index, text in enumerate(texts) if not isinstance(text, (str, bytes))), (0, None))


def _name(thing: object) -> str:
    return type(thing).__name__
