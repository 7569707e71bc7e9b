"""Introspection as the specification of September 2025 has it, which GraphiQL and code generators ask for in full.

Tartiflette's own module stops at 2018. It stands aside when another module has registered `__Type.fields` before it,
which is what `bake` does: tartiflette calls it for every engine that lists this module.

Source: GraphQL specification, section 4.2.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tartiflette import Directive, Resolver
from tartiflette.directive.builtins.deprecated import DeprecatedDirective
from tartiflette.types.enum import GraphQLEnumType
from tartiflette.types.input_object import GraphQLInputObjectType
from tartiflette.types.interface import GraphQLInterfaceType
from tartiflette.types.object import GraphQLObjectType
from tartiflette.types.scalar import GraphQLScalarType

from app.graphql.literals import printed

_SDL = Path(__file__).with_name("introspection.graphql")
_NO_REASON = "No longer supported"


class _SpecifiedBy:
    """`@specifiedBy(url:)` only informs; `__Type.specifiedByURL` reads it from the SDL."""


def bake(schema_name: str, config: dict[str, Any] | None = None) -> str:
    """Registers the resolvers below and returns the introspection types. Called by tartiflette; returns SDL."""
    for field, resolve in _RESOLVERS.items():
        Resolver(field, schema_name=schema_name, parent_concurrently=None)(resolve)
    # Both directives are ours as well: `@deprecated` also on arguments and input fields, and `@specifiedBy`.
    Directive("deprecated", schema_name=schema_name)(DeprecatedDirective)
    Directive("specifiedBy", schema_name=schema_name)(_SpecifiedBy)
    return _SDL.read_text(encoding="utf-8")


def _argument_of(element: Any, directive: str, argument: str, default: str | None) -> str | None:
    """What a directive on a definition says, None without the directive."""
    for node in getattr(element, "directives", None) or ():
        if node.name.value == directive:
            values = {given.name.value: given.value.value for given in node.arguments}
            return values.get(argument, default)
    return None


def _deprecation_of(element: Any) -> str | None:
    return _argument_of(element, "deprecated", "reason", _NO_REASON)


def _shown(elements: Iterable[Any], arguments: dict[str, Any]) -> list[Any]:
    if arguments.get("includeDeprecated"):
        return list(elements)
    return [element for element in elements if _deprecation_of(element) is None]


async def _fields(parent: Any, arguments: dict[str, Any], _context: Any, _info: Any) -> list[Any] | None:
    if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        return None
    return _shown(parent.fields, arguments)


async def _enum_values(parent: Any, arguments: dict[str, Any], _context: Any, _info: Any) -> list[Any] | None:
    return _shown(parent.enumValues, arguments) if isinstance(parent, GraphQLEnumType) else None


async def _input_fields(parent: Any, arguments: dict[str, Any], _context: Any, _info: Any) -> list[Any] | None:
    return _shown(parent.inputFields, arguments) if isinstance(parent, GraphQLInputObjectType) else None


async def _specified_by_url(parent: Any, _arguments: Any, _context: Any, _info: Any) -> str | None:
    return _argument_of(parent, "specifiedBy", "url", None) if isinstance(parent, GraphQLScalarType) else None


async def _is_one_of(parent: Any, _arguments: Any, _context: Any, _info: Any) -> bool | None:
    # Tartiflette has no `@oneOf`, so no input object is one.
    return False if isinstance(parent, GraphQLInputObjectType) else None


async def _arguments(parent: Any, arguments: dict[str, Any], _context: Any, _info: Any) -> list[Any]:
    return _shown(parent.args, arguments)


async def _input_value_type(parent: Any, _arguments: Any, _context: Any, _info: Any) -> Any:
    # Upstream's `type` of an input value is a dict of name and kind, which cannot be asked further.
    return parent.graphql_type


async def _default_value(parent: Any, _arguments: Any, _context: Any, _info: Any) -> str | None:
    # Upstream prints strings without escaping their quotes.
    return None if parent.default_value is None else printed(parent.default_value)


async def _is_deprecated(parent: Any, _arguments: Any, _context: Any, _info: Any) -> bool:
    return _deprecation_of(parent) is not None


async def _deprecation_reason(parent: Any, _arguments: Any, _context: Any, _info: Any) -> str | None:
    return _deprecation_of(parent)


async def _is_repeatable(_parent: Any, _arguments: Any, _context: Any, _info: Any) -> bool:
    # Tartiflette's SDL has no `repeatable`.
    return False


async def _upstream_attribute(parent: Any, _arguments: Any, _context: Any, info: Any) -> Any:
    return getattr(parent, info.field_name, None)


async def _nothing(_parent: Any, _arguments: Any, _context: Any, _info: Any) -> None:
    return None


# The engine's default resolver reads snake_case; tartiflette's own objects are written like the fields of
# introspection.
_RESOLVERS: dict[str, Callable[..., Any]] = {
    # SDL descriptions of the schema itself are beyond tartiflette's grammar.
    "__Schema.description": _nothing,
    "__Schema.queryType": _upstream_attribute,
    "__Schema.mutationType": _upstream_attribute,
    "__Schema.subscriptionType": _upstream_attribute,
    "__Type.possibleTypes": _upstream_attribute,
    "__Type.ofType": _upstream_attribute,
    "__Type.fields": _fields,
    "__Type.enumValues": _enum_values,
    "__Type.inputFields": _input_fields,
    "__Type.specifiedByURL": _specified_by_url,
    "__Type.isOneOf": _is_one_of,
    "__Field.args": _arguments,
    "__Field.isDeprecated": _is_deprecated,
    "__Field.deprecationReason": _deprecation_reason,
    "__Directive.args": _arguments,
    "__Directive.isRepeatable": _is_repeatable,
    "__InputValue.type": _input_value_type,
    "__InputValue.defaultValue": _default_value,
    "__InputValue.isDeprecated": _is_deprecated,
    "__InputValue.deprecationReason": _deprecation_reason,
    "__EnumValue.isDeprecated": _is_deprecated,
    "__EnumValue.deprecationReason": _deprecation_reason,
}
