"""What a single value may look like, wherever it comes from. Each check raises `InvalidInputError` naming the field."""

import json
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from math import isfinite
from typing import Any

from app.errors import InvalidInputError

INT32_MAX = 2**31 - 1
TEXT_MAX_CHARACTERS = 255
METADATA_MAX_BYTES = 16 * 1024
METADATA_MAX_DEPTH = 16
KEY_MAX_CHARACTERS = 255

# Cc: control characters, which no one can see in a log or type into a form. Cs: half a surrogate pair, which is no text
# at all and cannot be stored as UTF-8.
_FORBIDDEN_CATEGORIES = {"Cc", "Cs"}


def check_text(field: str, text: str, *, at_least: int = 0, at_most: int = TEXT_MAX_CHARACTERS) -> None:
    """Length in characters within bounds, no control characters."""
    if len(text) < at_least:
        raise InvalidInputError(field, "must not be empty")
    if len(text) > at_most:
        raise InvalidInputError(field, f"must have at most {at_most} characters, has {len(text)}")
    # Nearly every id, and known at once: what is printable ASCII has no control characters.
    if text.isascii() and text.isprintable():
        return
    for position, character in enumerate(text):
        if unicodedata.category(character) in _FORBIDDEN_CATEGORIES:
            raise InvalidInputError(field, f"must not contain control characters (one is at position {position})")


def check_id(field: str, identifier: str) -> None:
    """A caller-given id: 1 to 255 characters, no control characters."""
    check_text(field, identifier, at_least=1)


def check_optional_text(field: str, text: object) -> None:
    """As `check_text`; None and an absent value pass."""
    if isinstance(text, str):
        check_text(field, text)


def check_range(field: str, number: int, *, at_least: int, at_most: int = INT32_MAX) -> None:
    """A number within bounds, both inclusive; by default the upper one is the largest 32-bit Int."""
    if not at_least <= number <= at_most:
        raise InvalidInputError(field, f"must be between {at_least} and {at_most}, is {number}")


def check_metadata(field: str, metadata: Any) -> None:
    """Any JSON value of at most 16 KiB as UTF-8 and 16 levels of objects and lists, without what JSONB cannot hold.

    The size is that of what comes back, numbers written out.

    The walk keeps its own stack, so that depth is refused rather than met as a RecursionError.
    """
    stack = [(metadata, 1)]
    written_out = 0
    while stack:
        value, depth = stack.pop()
        if not _is_json(value):
            raise InvalidInputError(field, "must be a JSON value")
        if isinstance(value, dict | list) and depth > METADATA_MAX_DEPTH:
            raise InvalidInputError(field, f"must not be nested deeper than {METADATA_MAX_DEPTH} levels")
        for text in _texts_of(value):
            if "\0" in text or any(unicodedata.category(character) == "Cs" for character in text):
                raise InvalidInputError(field, "must not contain the character U+0000 or half a surrogate pair")
        written_out += _zeros_written_out(value)
        stack.extend((child, depth + 1) for child in _children_of(value))
    try:
        size_bytes = len(json.dumps(metadata, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
    except ValueError as problem:  # NaN, an infinity, or an integer of more digits than Python writes
        raise InvalidInputError(field, "must be a JSON value") from problem
    size_bytes += written_out
    if size_bytes > METADATA_MAX_BYTES:
        raise InvalidInputError(field, f"must be at most {METADATA_MAX_BYTES} bytes as JSON, is {size_bytes}")


def _zeros_written_out(value: Any) -> int:
    """How much longer a float comes back: JSONB writes 1e308 with its 308 zeros, so that 16 KiB would become 1 MB."""
    if not isinstance(value, float) or not isfinite(value):
        return 0
    return max(0, len(format(Decimal(repr(value)), "f")) - len(repr(value)))


def _is_json(value: Any) -> bool:
    """By type alone. Python's encoder would turn a tuple into a list and the key 1 into "1": not what the caller gave."""
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value)
    return value is None or isinstance(value, list | str | int | float)


def _children_of(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
