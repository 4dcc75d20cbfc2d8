"""The catalogue of the service's codes, as the library has it."""

from __future__ import annotations

import ctypes
import enum

from ._library import lib
from ._prototypes import Str
from ._record import record
from ._result import EFFECTS, Effect


class Retry(enum.Enum):
    """Whether a call that the service refused with a code may be made again."""

    NEVER = "never"
    """It would fail again."""
    BACKOFF = "backoff"
    """It may succeed at once or a little later."""
    AFTER_WINDOW = "after window"
    """It came too fast: it may succeed once the window of the quota, a second, has passed."""
    ONCE_LATER = "once later"
    """It is worth a single try more."""
    NEW_USERSIG = "new UserSig"
    """It is worth a single try more, with a new UserSig."""

    def __str__(self) -> str:
        return self.value


_RETRIES = (
    Retry.NEVER,
    Retry.BACKOFF,
    Retry.AFTER_WINDOW,
    Retry.ONCE_LATER,
    Retry.NEW_USERSIG,
)  # by IM_RETRY_NEVER, ...


@record
class Explanation:
    """What a code of the service means."""

    code: int
    known: bool
    """Whether the catalogue has it; if not, all else is what holds for any such code."""
    meaning: str
    remedy: str
    retry: Retry
    """Whether a call that got it may be made again."""
    effect: Effect
    """What is then known of its effect."""


def explain(code: int) -> Explanation:
    """Say what a code of the service means, and what to do. For any int of 32 bits; OverflowError for others."""
    if isinstance(code, bool) or not isinstance(code, int):
        raise TypeError(f"code: {type(code).__name__}, expected int")
    if not -(2**31) <= code < 2**31:
        raise OverflowError(f"code: {code}, expected an int of 32 bits")
    meaning, remedy = Str(), Str()
    retry, effect = ctypes.c_int32(), ctypes.c_int32()
    known = lib.im_explain(code, *map(ctypes.byref, (meaning, remedy, retry, effect)))
    return Explanation(code, known, str(meaning), str(remedy), _RETRIES[retry.value], EFFECTS[effect.value])
