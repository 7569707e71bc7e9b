"""Questions to tartiflette's schema that answer None instead of raising, for checks that run on documents of any
quality.
"""

from typing import Any

from tartiflette.types.exceptions.tartiflette import TartifletteError


def type_named(schema: Any, name: str) -> Any | None:
    return schema.type_definitions.get(name)


def field_of(schema: Any, parent: Any, name: str) -> Any | None:
    """The definition of a field on an object, interface or union type."""
    try:
        return schema.get_field_by_name(f"{parent.name}.{name}")
    except (TartifletteError, AttributeError, KeyError):
        return None


def named_type_of(graphql_type: Any) -> Any:
    """The type inside all lists and non-nulls."""
    while graphql_type.is_wrapping_type:
        graphql_type = graphql_type.wrapped_type
    return graphql_type
