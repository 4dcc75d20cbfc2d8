"""Passes options of bulk runs and batchers to the library, which has the defaults."""

from __future__ import annotations

from typing import Any, NamedTuple

from ._call import milliseconds
from ._errors import SettingsError
from ._library import lib
from ._settings import SIZE_BITS, number

_WHEN_FULL = {"wait": 1, "fail": 2}  # IM_WAIT, IM_FAIL


class Options(NamedTuple):
    """The options that ``client.bulk`` and ``client.batcher`` take. None is not set."""

    linger: float | None
    capacity: int | None
    timeout: float | None
    attempt_timeout: float | None
    late_window: float | None
    when_full: str | None = None

    def set(self, kind: str, handle: Any) -> None:
        """Set them: `kind` is im_bulk or im_batcher."""
        for name in ("linger", "timeout", "attempt_timeout", "late_window"):
            value = milliseconds(getattr(self, name), name)
            if value is not None:
                getattr(lib, f"{kind}_set_{name}_ms")(handle, value)
        if self.capacity is not None:
            getattr(lib, f"{kind}_set_capacity")(handle, number(self.capacity, "capacity", SIZE_BITS))
        if self.when_full is not None:
            if self.when_full not in _WHEN_FULL:
                choices = " or ".join(map(repr, _WHEN_FULL))
                raise SettingsError(f"when_full: {self.when_full!r}, expected {choices}", remedy=f"set {choices}")
            getattr(lib, f"{kind}_set_when_full")(handle, _WHEN_FULL[self.when_full])
