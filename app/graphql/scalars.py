"""The API's own scalars: `DateTime` and `JSON`.

Tartiflette's built-in DateTime knows no time zone; registering this one makes it stand aside.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tartiflette import Scalar
from tartiflette.constants import UNDEFINED_VALUE
from tartiflette.language.ast import StringValueNode

from app import clock
from app.graphql.literals import plain

# RFC 3339, which is narrower than ISO 8601: `fromisoformat` alone would also take week dates and times without a zone.
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
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
        if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
            raise TypeError("DateTime must be a string such as 2022-08-10T15:07:01.803Z")
        try:
            moment = datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise TypeError("DateTime must be a moment that exists") from error
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

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
