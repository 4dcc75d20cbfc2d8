"""The result of a call, copied from the library's result."""

from __future__ import annotations

import ctypes
import enum
from ctypes import c_size_t
from typing import Any

from ._library import lib
from ._record import record


class Words(enum.Enum):
    """An enum that prints as its value."""

    def __str__(self) -> str:
        return str(self.value)


class Effect(Words):
    """What is known of the effect on an account."""

    NOT_APPLIED = "not applied"
    """The service did not carry it out."""
    POSSIBLY_APPLIED = "possibly applied"
    """The service may have carried it out, or may do so later: a timeout, a cut connection, a refusal after sending."""
    APPLIED = "applied"
    """The service carried it out."""
    NOT_READ = "not read"
    """For a get, which has no effect on any account: its tags were not read."""


EFFECTS = tuple(Effect)  # by IM_NOT_APPLIED, ...


@record
class Result:
    """What a call did."""

    accounts: int
    """How many accounts the call succeeded for."""
    attempts: int
    """How many attempts were made: the one that was answered, and those before it."""
    attempts_sent: int
    """Attempts of which any byte left this machine: what the app's quota may have been charged."""
    request_id: str
    """The service's id of the request, for its support; may be empty."""
    users: dict[str, list[str]]
    """What ``get_tag`` read, in the service's order; empty for the other operations."""
    unanswered: list[str]
    """The accounts that ``get_tag`` asked for and the answer does not name: without tags or not read, it is unknown."""


def read_result(result: Any) -> Result:
    """Copy all that an im_result holds."""
    count = c_size_t()
    users = _users(lib.im_result_users(result, ctypes.byref(count)), count.value)
    unanswered = _strings(lib.im_result_unanswered(result, ctypes.byref(count)), count.value)
    return Result(
        accounts=lib.im_result_accounts(result),
        attempts=lib.im_result_attempts(result),
        attempts_sent=lib.im_result_attempts_sent(result),
        request_id=str(lib.im_result_request_id(result)),
        users=users,
        unanswered=unanswered,
    )


# An im_str is two words, data and len; an im_user_tags is four, an im_str, tags and tag_count. Reading words takes a
# third of the time of reading structures.


def _words(address: int | None, count: int) -> list[int]:
    return (c_size_t * count).from_address(address)[:] if address else []


def _strings(address: int | None, count: int) -> list[str]:
    words = _words(address, 2 * count)
    return [ctypes.string_at(data, size).decode() for data, size in zip(words[::2], words[1::2])]


def _users(address: int | None, count: int) -> dict[str, list[str]]:
    words = _words(address, 4 * count)
    users = zip(words[::4], words[1::4], words[2::4], words[3::4])
    return {ctypes.string_at(data, size).decode(): _strings(tags, tag_count) for data, size, tags, tag_count in users}
