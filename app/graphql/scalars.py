"""The API's own scalars: `DateTime` and `JSON`.

Tartiflette's built-in DateTime knows no time zone; registering this one makes it stand aside.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from tartiflette import Scalar
from tartiflette.constants import UNDEFINED_VALUE
from tartiflette.language.ast import StringValueNode

from app import clock
from app.contract.shapes import Moment, in_utc
from app.errors import InvalidInputError
from app.graphql.literals import plain

_WIRE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


class DateTime:
    """A moment in UTC with milliseconds, `2022-08-10T15:07:01.803Z`; other offsets are accepted and converted."""

    def coerce_output(self, value: datetime | str) -> str:
        # Views carry times that are already in wire format.
        if isinstance(value, str) and _WIRE.fullmatch(value):
            return value
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise TypeError("DateTime can only show an aware datetime or its wire format")
        return clock.to_wire(value)

    def coerce_input(self, value: Any) -> datetime:
        try:
            # As the other door reads it, so that the same text is the same moment at both.
            return in_utc("DateTime", msgspec.convert(value, Moment))
        except (msgspec.ValidationError, InvalidInputError) as refusal:
            raise TypeError("DateTime must be a moment with an offset, such as 2022-08-10T15:07:01.803Z") from refusal

    def parse_literal(self, ast: Any) -> Any:
        if not isinstance(ast, StringValueNode):
            return UNDEFINED_VALUE
        try:
            return self.coerce_input(ast.value)
        except TypeError:
            return UNDEFINED_VALUE


class Json:
    """Any JSON value, kept as it is."""

    def coerce_output(self, value: Any) -> Any:
        return value

    def coerce_input(self, value: Any) -> Any:
        return value

    def parse_literal(self, ast: Any, variables: Mapping[str, Any] | None = None) -> Any:
        # Validation calls this without variables, execution with them (`engine.patches`): both must accept `{a: $b}`.
        return plain(ast, variables or {})

    parse_literal.takes_variables = True  # type: ignore[attr-defined] # a mark on the function itself


def with_scalars(sdl: str) -> str:
    """The SDL, with the declarations of both scalars added where it has none."""
    missing = [name for name in ("DateTime", "JSON") if not re.search(rf"^\s*scalar\s+{name}\b", sdl, re.MULTILINE)]
    return "\n".join([sdl, *(f"scalar {name}" for name in missing)])


def register_scalars(schema_name: str) -> None:
    """Links both scalars to a schema, whose SDL must declare them (see `with_scalars`)."""
    Scalar("DateTime", schema_name=schema_name)(DateTime())
    Scalar("JSON", schema_name=schema_name)(Json())
