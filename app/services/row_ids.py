"""Ids that we give out: the number of a row, as text."""

_MAX_DIGITS = 18
"""More would not fit the column."""


def number_of(identifier: str) -> int | None:
    """The id as a number; None for what nothing of ours could be called."""
    is_number = identifier.isascii() and identifier.isdigit() and len(identifier) <= _MAX_DIGITS
    # "007" is not how the id was given out, so it is nobody's.
    return int(identifier) if is_number and str(int(identifier)) == identifier else None
