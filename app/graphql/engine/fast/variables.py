"""The variables of an operation, coerced without a coroutine.

In place of `tartiflette.coercers.variables` and `tartiflette.coercers.inputs`, for values that are accepted. At the first
that is not, the library does all of it again and finds the words.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tartiflette.constants import UNDEFINED_VALUE
from tartiflette.types.enum import GraphQLEnumType
from tartiflette.types.input_object import GraphQLInputObjectType
from tartiflette.types.scalar import GraphQLScalarType
from tartiflette.utils.type_from_ast import schema_type_from_ast

from app.graphql.engine.fast.library import LeftToLibraryError, is_hooked, refuse
from app.graphql.engine.fast.literals import Read, default_of

# The value of a variable or of a part of it. Raises an Exception of any kind for what is to be refused.
Coerce = Callable[[Any], Any]

_NO_VARIABLES: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class _Place:
    """A variable or an input field."""

    name: str
    coerce: Coerce
    default: Read


class Inputs:
    """The input types of one schema, each compiled once."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._objects: dict[str, Coerce] = {}

    def variables(self, definitions: Any) -> Coerce:
        """The function from what a request gives to the variables of an operation with these definitions."""
        places = [self._variable(definition) for definition in definitions or ()]
        return lambda given: _coerced(places, given)

    def _variable(self, definition: Any) -> _Place:
        of_type: Any = schema_type_from_ast(self._schema, definition.type)
        default = default_of(of_type, definition.default_value)
        return _Place(definition.variable.name.value, self._coercer(of_type), default)

    def _coercer(self, of_type: Any) -> Coerce:
        if of_type.is_non_null_type:
            return _non_null(self._coercer(of_type.wrapped_type))
        if of_type.is_list_type:
            return _list(self._coercer(of_type.wrapped_type))
        if is_hooked(of_type.input_coercer.keywords["directives"]):
            return refuse
        if isinstance(of_type, GraphQLInputObjectType):
            return self._object(of_type)
        if isinstance(of_type, GraphQLEnumType):
            return _enum(of_type)
        return _scalar(of_type) if isinstance(of_type, GraphQLScalarType) else refuse

    def _object(self, of_type: GraphQLInputObjectType) -> Coerce:
        if of_type.name not in self._objects:
            places: list[_Place] = []
            # Known before its fields are: they may hold the type itself.
            self._objects[of_type.name] = _object(places, frozenset(of_type.input_fields))
            places.extend(self._field(name, definition) for name, definition in of_type.input_fields.items())
        return self._objects[of_type.name]

    def _field(self, name: str, definition: Any) -> _Place:
        if is_hooked(definition.input_coercer.keywords["directives"]):
            return _Place(name, refuse, refuse)
        default = default_of(definition.graphql_type, definition.default_value)
        return _Place(name, self._coercer(definition.graphql_type), default)


def _coerced(places: Iterable[_Place], given: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for place in places:
        value = place.coerce(given[place.name]) if place.name in given else place.default(_NO_VARIABLES)
        if value is not UNDEFINED_VALUE:
            values[place.name] = value
    return values


def _object(places: list[_Place], names: frozenset[str]) -> Coerce:
    def coerce(value: Any) -> dict[str, Any] | None:
        if value is None:
            return None
        if not isinstance(value, dict) or not value.keys() <= names:
            raise LeftToLibraryError
        return _coerced(places, value)

    return coerce


def _non_null(inner: Coerce) -> Coerce:
    def coerce(value: Any) -> Any:
        if value is None:
            raise LeftToLibraryError
        return inner(value)

    return coerce


def _list(item: Coerce) -> Coerce:
    def coerce(value: Any) -> list[Any] | None:
        if value is None:
            return None
        return [item(entry) for entry in value] if isinstance(value, list) else [item(value)]

    return coerce


def _enum(of_type: GraphQLEnumType) -> Coerce:
    names = {value.value: not is_hooked(value.input_coercer) for value in of_type.values}

    def coerce(value: Any) -> Any:
        if value is not None and not names.get(value):
            raise LeftToLibraryError
        return value

    return coerce


def _scalar(of_type: GraphQLScalarType) -> Coerce:
    coerce_input: Any = of_type.coerce_input

    def coerce(value: Any) -> Any:
        if value is None:
            return None
        coerced = coerce_input(value)
        if coerced is UNDEFINED_VALUE:
            raise LeftToLibraryError
        return coerced

    return coerce
