"""Outcomes as a poll of the library returns them: many at once, with an error for each that failed."""

from __future__ import annotations

import ctypes
from ctypes import c_size_t, c_uint64
from typing import Any

from ._errors import ChangeError
from ._library import lib
from ._raise import change_error


def read_completions(completions: Any) -> tuple[list[int], dict[int, ChangeError]]:
    """Return the ids of changes that have their outcomes, in order, and by id the errors of those that failed.

    The completions, which may be NULL, are not freed.
    """
    count = c_size_t()
    ids = _numbers(c_uint64, lib.im_completions_ids(completions, ctypes.byref(count)), count.value)
    failed = _numbers(c_size_t, lib.im_completions_failed(completions, ctypes.byref(count)), count.value)
    return ids, {ids[index]: change_error(lib.im_completions_error(completions, index)) for index in failed}


def _numbers(kind: Any, address: int | None, count: int) -> list[int]:
    numbers: list[int] = (kind * count).from_address(address)[:] if address else []
    return numbers
