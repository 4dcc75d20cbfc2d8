"""The library's catalogue of the service's codes."""

from __future__ import annotations

import ctypes

from ._library import lib
from ._prototypes import Str
from ._record import record
from ._result import EFFECTS, Effect, Words


class Retry(Words):
    """Whether a call that the service refused with a code may be made again."""

    NEVER = "never"
    """It would fail again."""
    BACKOFF = "backoff"
    """It may succeed at once or a little later."""
    AFTER_WINDOW = "after window"
    """The calls came too fast: it may succeed once the second that the quota counts is over."""
    ONCE_LATER = "once later"
    """One more try is worth it."""
    NEW_USERSIG = "new UserSig"
    """One more try with a new UserSig is worth it."""


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
    """Whether the catalogue has it; if not, the rest is what holds for every unknown code."""
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
