"""Thresholds of usage: percents of a limit that are worth telling somebody about when a total passes them."""

from collections.abc import Sequence
from typing import Final

from app.errors import InvalidInputError

DEFAULT_THRESHOLDS = (80, 100)
THRESHOLDS_MAX: Final = 10
PERCENT_MAX: Final = 1_000
WHOLE: Final = 100
"""The percent that is all of it."""


def check_thresholds(field: str, percents: Sequence[int]) -> None:
    """At most 10 percents from 1 to 1,000, ascending, none twice. None at all is allowed.

    Raises:
        InvalidInputError: names the place.
    """
    if len(percents) > THRESHOLDS_MAX:
        raise InvalidInputError(field, f"must hold at most {THRESHOLDS_MAX} percents, holds {len(percents)}")
    for position, percent in enumerate(percents):
        if not 1 <= percent <= PERCENT_MAX:
            raise InvalidInputError(f"{field}[{position}]", f"must be between 1 and {PERCENT_MAX}, is {percent}")
        if position and percent <= percents[position - 1]:
            raise InvalidInputError(f"{field}[{position}]", "must be greater than the one before it")


def passed(before: int, after: int, limit: int | None, percents: Sequence[int]) -> Sequence[int]:
    """Those of the percents that a total which went from `before` to `after` has reached and was below.

    None of no limit, for nothing is a part of it; and none of a limit of 0, of which every total is all there is: that no usage
    fits is told when usage is refused.
    """
    if not limit or after <= before or not percents:
        return ()
    # In whole numbers: 80 % of 3 is reached at 3, not at 2.
    return [percent for percent in percents if before * WHOLE < percent * limit <= after * WHOLE]


def uses_up(before: int, after: int, limit: int | None) -> bool:
    """Whether something of the limit was left before and nothing is now."""
    return limit is not None and before < limit <= after
