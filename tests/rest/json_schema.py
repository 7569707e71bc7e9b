"""As much of JSON Schema as our document uses, and a refusal of what it does not: an unknown keyword is an error."""

import re
from collections.abc import Callable, Iterator
from typing import Any

Schema = dict[str, Any]

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def mismatches(value: Any, schema: Schema, document: Schema, at: str = "$") -> list[str]:
    """Where and how the value does not fit the schema; nothing when it does."""
    return [problem for keyword in schema for problem in _CHECKS[keyword](value, schema, document, at)]


def _reference(value: Any, schema: Schema, document: Schema, at: str) -> Iterator[str]:
    yield from mismatches(value, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document, at)


def _type(value: Any, schema: Schema, _: Schema, at: str) -> Iterator[str]:
    wanted = schema["type"]
    if not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean"):
        yield f"{at}: is no {wanted}"


def _enum(value: Any, schema: Schema, _: Schema, at: str) -> Iterator[str]:
    if value not in schema["enum"]:
        yield f"{at}: is none of {schema['enum']}"


def _any_of(value: Any, schema: Schema, document: Schema, at: str) -> Iterator[str]:
    if all(mismatches(value, one, document, at) for one in schema["anyOf"]):
        yield f"{at}: fits none of {schema['anyOf']}"


def _properties(value: Any, schema: Schema, document: Schema, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name in value.keys() & schema["properties"].keys():
            yield from mismatches(value[name], schema["properties"][name], document, f"{at}.{name}")


def _required(value: Any, schema: Schema, _: Schema, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (f"{at}: lacks {name}" for name in schema["required"] if name not in value)


def _additional(value: Any, schema: Schema, _: Schema, at: str) -> Iterator[str]:
    assert schema["additionalProperties"] is False
    if isinstance(value, dict):
        yield from (f"{at}: must not have {name}" for name in value.keys() - schema["properties"].keys())


def _items(value: Any, schema: Schema, document: Schema, at: str) -> Iterator[str]:
    if isinstance(value, list):
        for position, item in enumerate(value):
            yield from mismatches(item, schema["items"], document, f"{at}[{position}]")


def _format(value: Any, schema: Schema, _: Schema, at: str) -> Iterator[str]:
    assert schema["format"] == "date-time"
    if isinstance(value, str) and not _DATE_TIME.fullmatch(value):
        yield f"{at}: is no time"


def _annotation(*_: Any) -> Iterator[str]:
    yield from ()


_CHECKS: dict[str, Callable[[Any, Schema, Schema, str], Iterator[str]]] = {
    "$ref": _reference,
    "type": _type,
    "enum": _enum,
    "anyOf": _any_of,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
    "items": _items,
    "format": _format,
    **dict.fromkeys(("title", "description", "default", "examples"), _annotation),
}
