"""Putting what a command says on a row."""

from datetime import datetime
from typing import Any, Protocol

from msgspec import UNSET

from app import clock
from app.contract.shapes import Command


class Changeable(Protocol):
    """The rows that callers change."""

    metadata_: Any
    updated_at: datetime


def apply_changes(row: Changeable, command: Command, *fields: str) -> None:
    """Set those of the fields that the command names, and `metadata` if it does; what it leaves out stays.

    `updated_at` becomes now.
    """
    for field in fields:
        value = getattr(command, field)
        if value is not UNSET:
            setattr(row, field, value)
    metadata = getattr(command, "metadata", UNSET)
    if metadata is not UNSET:
        row.metadata_ = stored_metadata(metadata)
    row.updated_at = clock.now()


def stored_metadata(metadata: Any) -> Any:
    """Absent and null metadata are an empty object, as Kana answers them."""
    return {} if metadata is None else metadata
