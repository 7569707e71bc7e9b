"""What every command and view has in common: camelCase outside, snake_case inside, nothing unknown let in."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from app.domain.values import check_range
from app.errors import InvalidInputError


class Command(Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """What a caller asks for. A command that exists is valid: `__post_init__` refuses what the types let through."""


class View(Struct, rename="camel", kw_only=True):
    """What a caller gets, ready for the wire."""


Timestamp = Annotated[
    str,
    Meta(
        description="UTC, to the millisecond",
        extra_json_schema={"format": "date-time"},
        examples=["2022-08-10T15:07:01.803Z"],
    ),
]
Moment = Annotated[
    datetime,
    Meta(
        tz=True,
        description="RFC 3339 with an offset; kept in UTC, to the millisecond",
        examples=["2022-08-10T15:07:01.803Z"],
    ),
]
Metadata = Annotated[Any, Meta(description="any JSON value of at most 16 KiB", examples=[{"team": "blue"}])]

C = TypeVar("C", bound=Command)
V = TypeVar("V")

_PATH = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_NAMED_FIELD = re.compile(r"(?:missing required|contains unknown) field `(?P<field>[^`]*)`")


def build(command_type: type[C], arguments: object) -> C:
    """The command that these decoded JSON values ask for.

    Raises:
        InvalidInputError: a wrong type, an unknown or missing field, or a broken rule; it names the field.
    """
    try:
        return msgspec.convert(arguments, command_type)
    except msgspec.ValidationError as refusal:
        raise invalid_input(refusal) from refusal


def invalid_input(refusal: msgspec.ValidationError) -> InvalidInputError:
    """msgspec's refusal in our words: the path of the value first, then what is wrong with it."""
    message = str(refusal)
    found = _PATH.search(message)
    path = found["path"] if found else ""
    rule = refusal.__cause__
    if isinstance(rule, InvalidInputError):  # a command inside this one refused itself, not knowing where it stands
        return InvalidInputError(_inside(path, rule.field), rule.problem)
    problem = _PATH.sub("", message)
    named = _NAMED_FIELD.search(problem)
    if named:
        path = _inside(path, named["field"])
    return InvalidInputError(path or "body", problem)


def _inside(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field


def in_utc(field: str, moment: datetime) -> datetime:
    """The same moment as UTC, cut to the millisecond: what we store is what the wire can show.

    Raises:
        InvalidInputError: in UTC it would be before the year 1 or after 9999.
    """
    try:
        moment = moment.astimezone(UTC)
    except OverflowError as problem:
        raise InvalidInputError(field, "must be a moment that exists in UTC") from problem
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


PAGE_LIMIT_DEFAULT = 20
PAGE_LIMIT_MAX = 100
# What a list without `first` (GraphQL) may return: Kana's lists had no pages, so small ones stay whole; a larger one is
# refused with advice rather than cut short in silence.
WHOLE_LIST_MAX = 1_000
# What it returns of a list that has no end, such as the ledger.
ENDLESS_LIST_DEFAULT = 100


class PageRequest(Command):
    """At most `limit` items, from the one after the item with id `starting_after`, in the order of the list."""

    limit: int = PAGE_LIMIT_DEFAULT
    starting_after: str | None = None
    limit_max: int = PAGE_LIMIT_MAX

    def __post_init__(self) -> None:
        check_range("limit", self.limit, at_least=1, at_most=self.limit_max)


class Page(View, Generic[V]):
    """One page of a list; `has_more` says whether another follows."""

    data: list[V]
    has_more: bool
