"""How long to wait before something that failed is tried again."""

from typing import Final

FIRST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 60.0
ASKED_FOR_MAX_SECONDS: Final = 3_600.0
"""The longest wait that the other side can ask for."""

_DOUBLINGS_MAX: Final = 30


def delay_seconds(
    failures: int,
    *,
    chance: float,
    asked_for: float | None = None,
    first: float = FIRST_SECONDS,
    longest: float = LONGEST_SECONDS,
) -> float:
    """After so many failures in a row, one or more. `chance`, from 0 to 1, is random and spreads what failed together.

    `asked_for`: what the other side said. That comes on top, for everybody whom it told the same would else come back at once.

    Source: "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015), the one it calls full jitter.
    """
    widest = min(longest, first * 2.0 ** min(failures - 1, _DOUBLINGS_MAX))
    return min(asked_for or 0.0, ASKED_FOR_MAX_SECONDS) + widest * chance
