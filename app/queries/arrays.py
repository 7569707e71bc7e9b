"""Columns as Postgres array literals: how the set-wise statements get their rows.

The driver looks at each element for its type and for what must be quoted, which takes longer than the rest of such a call does.
Here the caller knows what a column holds. Use with a cast: `unnest(%s::bigint[])`.

Source: PostgreSQL documentation, "Array Input and Output Syntax".
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID


def numbers(values: Iterable[int | None]) -> str:
    """For int[] and bigint[]."""
    return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"


def flags(values: Iterable[bool | None]) -> str:
    """For boolean[]."""
    return f"{{{','.join(['NULL' if value is None else 't' if value else 'f' for value in values])}}}"


def moments(values: Iterable[datetime | None]) -> str:
    """For timestamptz[]; aware ones. Each is written out once, for most rows of a batch have the same few."""
    written: dict[datetime | None, str] = {None: "NULL"}
    column = []
    for value in values:
        if value not in written and value is not None:
            written[value] = _quoted(value.isoformat())
        column.append(written[value])
    return f"{{{','.join(column)}}}"


def uuids(values: Iterable[UUID]) -> str:
    """For uuid[]."""
    return f"{{{','.join([value.hex for value in values])}}}"


def texts(values: Iterable[str | None]) -> str:
    """For text[]. Anything but U+0000, which no text in Postgres can hold."""
    return f"{{{','.join(['NULL' if value is None else _quoted(value) for value in values])}}}"


def _quoted(text: str) -> str:
    """In quotes, so that `NULL`, commas, braces and spaces are themselves."""
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
