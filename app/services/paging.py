"""How every list is paged: the id a caller names becomes the key that the next page starts after."""

from collections.abc import Callable
from typing import TypeVar

from app.domain.values import check_text
from app.errors import InvalidInputError

Key = TypeVar("Key")


def key_after(starting_after: str | None, find: Callable[[str], Key | None]) -> Key | None:
    """The key of the row that the caller has seen last.

    Raises:
        InvalidInputError: there is no such row. To begin anew instead would send an importer round in circles.
    """
    if starting_after is None:
        return None
    check_text("startingAfter", starting_after)
    key = find(starting_after)
    if key is None:
        raise InvalidInputError("startingAfter", f"there is nothing with the id {starting_after!r}")
    return key
