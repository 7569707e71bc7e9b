"""Column types that several tables share, and the names of their constraints."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Enum, ForeignKeyConstraint, Identity, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

# Set before the first table is declared: autogenerate can only compare constraints whose names it can foretell.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Timestamp = DateTime(timezone=True)


def generated_key() -> Column[int]:
    """The second half of a primary key, numbered by the database: a row has it once it is flushed or read."""
    return Column(BigInteger, Identity(always=True), primary_key=True)


def json_value() -> Column[Any]:
    """A JSON value, in a column called `metadata` (a name that SQLModel keeps for itself)."""
    return Column("metadata", JSONB, nullable=False, server_default="{}")


def choice(enum: type[StrEnum], name: str, *, nullable: bool = False, default: str | None = None) -> Column[str]:
    """One of an enum's values, as text with a CHECK: a native enum type could not lose a value again."""
    values = Enum(enum, name=name, native_enum=False, create_constraint=True, length=32, values_callable=_values)
    return Column(values, nullable=nullable, server_default=default)


def _values(enum: type[StrEnum]) -> list[str]:
    return [member.value for member in enum]


def text_column(*, nullable: bool = True) -> Column[str]:
    return Column(Text, nullable=nullable)


def moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(Timestamp, nullable=nullable)


def within_tenant(column: str, target: str, *, on_delete: str | None = None) -> ForeignKeyConstraint:
    """A foreign key that cannot leave the tenant: `(tenant_id, column)` to `target`'s `(tenant_id, …)`."""
    table, _, key = target.partition(".")
    return ForeignKeyConstraint(["tenant_id", column], [f"{table}.tenant_id", f"{table}.{key}"], ondelete=on_delete)
