"""Changes of users' tags for bulk runs and batchers, and their outcomes.

``add``, ``remove``, ``clear`` and ``replace`` make a change. They check types only, so that a value that is no text is
a TypeError where it was written; the library checks the texts.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, NamedTuple

from ._errors import ChangeError
from ._marshal import Text


class Operation(enum.IntEnum):
    """What a change does. The numbers are those of the library."""

    ADD = 1
    """It adds tags to a user."""
    REMOVE = 2
    """It removes tags from a user."""
    CLEAR = 3
    """It removes all tags of a user."""
    REPLACE = 4
    """It replaces the tags of a user."""

    def __str__(self) -> str:
        return self.name.lower()


class WrongType(TypeError):
    """A change's field is of a wrong type; a bulk run adds the change's index."""


class _Fields(NamedTuple):
    operation: Operation
    account: Text
    tags: tuple[Text, ...] = ()


class Change(_Fields):
    """A change of a user's tags: ``operation``, ``account`` and ``tags``, none for a change that clears.

    Made by ``imtag.add``, ``imtag.remove``, ``imtag.clear`` or ``imtag.replace``. A field of a wrong type is a
    TypeError.
    """

    __slots__ = ()

    def __new__(cls, operation: Operation, account: Text, tags: Iterable[Text] = ()) -> Change:
        """Check the types."""
        if not isinstance(operation, Operation):
            raise WrongType(f"operation: {type(operation).__name__}, expected imtag.Operation")
        if not isinstance(account, (str, bytes)):
            raise WrongType(f"account: {type(account).__name__}, expected str")
        return tuple.__new__(cls, (operation, account, _tags(tags)))

    @classmethod
    def _make(cls, fields: Iterable[Any]) -> Change:  # type: ignore[override]
        """Make one from its fields, as ``_replace`` does."""
        return cls(*fields)


class Outcome(NamedTuple):
    """The outcome of a change."""

    index: int  # type: ignore[assignment] # in place of the method of tuples
    """The change's position in the input, from 0."""
    change: Change
    """The object that the run was given."""
    error: ChangeError | None
    """Why it failed, as a whole or in part; None if it is done."""


def add(account: Text, tags: Iterable[Text]) -> Change:
    """Return a change that adds tags to a user: 1 to 100, of 1 to 50 bytes each; a tag given twice counts once.

    TypeError for a value that is no text; limits are checked when the change is sent.
    """
    return Change(Operation.ADD, account, tags)


def remove(account: Text, tags: Iterable[Text]) -> Change:
    """Return a change that removes any number of tags from a user. All else as ``add``."""
    return Change(Operation.REMOVE, account, tags)


def clear(account: Text) -> Change:
    """Return a change that removes all tags of a user. All else as ``add``."""
    return Change(Operation.CLEAR, account)


def replace(account: Text, tags: Iterable[Text]) -> Change:
    """Return a change that replaces the tags of a user: afterwards it has these and no others, 1 to 100.

    With ``generation="timpush"`` only. If it is possibly applied, the tags that the user had may be gone. All else as
    ``add``.
    """
    return Change(Operation.REPLACE, account, tags)


def _tags(tags: Iterable[Text]) -> tuple[Text, ...]:
    if isinstance(tags, (str, bytes)):
        raise WrongType(f"tags: {type(tags).__name__}, expected several: write [tag] in place of tag")
    if not isinstance(tags, Iterable):
        raise WrongType(f"tags: {type(tags).__name__}, expected an iterable of str")
    taken = tuple(tags)
    for index, tag in enumerate(taken):
        if not isinstance(tag, (str, bytes)):
            raise WrongType(f"tags[{index}]: {type(tag).__name__}, expected str")
    return taken
