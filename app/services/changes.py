"""Putting what a command says on a row."""

from typing import Any

from msgspec import UNSET
from sqlmodel import SQLModel

from app import clock
from app.contract.shapes import Command


def apply_changes(row: SQLModel, command: Command, *fields: str) -> None:
    """Set those of the fields that the command names, and `metadata` if it does; what it leaves out stays.

    The row has `metadata_` and `updated_at`, which becomes now.
    """
    for field in fields:
        value = getattr(command, field)
        if value is not UNSET:
            setattr(row, field, value)
    metadata = getattr(command, "metadata", UNSET)
    if metadata is not UNSET:
        setattr(row, "metadata_", stored_metadata(metadata))  # noqa: B010 — SQLModel itself does not declare it
    setattr(row, "updated_at", clock.now())  # noqa: B010


def stored_metadata(metadata: Any) -> Any:
    """Absent and null metadata are an empty object, as Kana answers them."""
    return {} if metadata is None else metadata
