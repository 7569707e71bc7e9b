"""Values as they stand in a document or in SDL, compiled to functions of the variables.

In place of `tartiflette.coercers.literals`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tartiflette.constants import UNDEFINED_VALUE
from tartiflette.language.ast import EnumValueNode, ListValueNode, NullValueNode, ObjectValueNode, VariableNode
from tartiflette.types.enum import GraphQLEnumType
from tartiflette.types.input_object import GraphQLInputObjectType
from tartiflette.types.scalar import GraphQLScalarType

from app.graphql.engine.fast.library import LeftToLibraryError, is_hooked, refuse

# Makes the value anew at each call, for a resolver may change what it gets; UNDEFINED_VALUE where none is given. Raises
# LeftToLibraryError for what is to be refused.
Read = Callable[[Mapping[str, Any]], Any]


def literal(of_type: Any, node: Any, *, nullable: bool = True) -> Read:
    """The function for the value of a node in a place of this type."""
    if of_type.is_non_null_type:
        return literal(of_type.wrapped_type, node, nullable=False)
    if isinstance(node, NullValueNode):
        return _constant(None) if nullable else refuse
    if isinstance(node, VariableNode):
        return _variable_or_default(node.name.value, refuse, nullable=nullable)
    if of_type.is_list_type:
        return _list(of_type.wrapped_type, node)
    if is_hooked(of_type.literal_coercer.keywords["directives"]):
        return refuse
    if isinstance(of_type, GraphQLInputObjectType) and isinstance(node, ObjectValueNode):
        return _object(of_type, node)
    if isinstance(of_type, GraphQLEnumType) and isinstance(node, EnumValueNode):
        return _enum_value(of_type, node)
    return _scalar(of_type, node) if isinstance(of_type, GraphQLScalarType) else refuse


def default_of(of_type: Any, node: Any) -> Read:
    """What a variable, an argument or an input field has when a caller gives nothing. `node` is its default, or None."""
    if node is not None:
        return literal(of_type, node)
    return refuse if of_type.is_non_null_type else _constant(UNDEFINED_VALUE)


def given_or_default(definition: Any, node: Any) -> Read:
    """The value of an argument or input field. `node` is what stands in the document, or None.

    A variable without a value counts as nothing given.
    """
    of_type = definition.graphql_type
    default = default_of(of_type, definition.default_value)
    if node is None:
        return default
    if isinstance(node, VariableNode):
        return _variable_or_default(node.name.value, default, nullable=not of_type.is_non_null_type)
    return literal(of_type, node)


def _variable_or_default(name: str, default: Read, *, nullable: bool) -> Read:
    def read(variables: Mapping[str, Any]) -> Any:
        value = variables.get(name, UNDEFINED_VALUE)
        if value is UNDEFINED_VALUE:
            return default(variables)
        if value is None and not nullable:
            raise LeftToLibraryError
        return value

    return read


def _constant(value: Any) -> Read:
    return lambda _variables: value


def _list(item_type: Any, node: Any) -> Read:
    if not isinstance(node, ListValueNode):
        item = literal(item_type, node)
        return lambda variables: [item(variables)]
    items = [_item(item_type, item) for item in node.values]
    return lambda variables: [item(variables) for item in items]


def _item(item_type: Any, node: Any) -> Read:
    if isinstance(node, VariableNode) and not item_type.is_non_null_type:
        name = node.name.value
        return lambda variables: variables.get(name)
    return literal(item_type, node)


def _object(of_type: GraphQLInputObjectType, node: ObjectValueNode) -> Read:
    given = {field.name.value: field.value for field in node.fields}
    fields = [(name, _field(definition, given.get(name))) for name, definition in of_type.input_fields.items()]

    def read(variables: Mapping[str, Any]) -> dict[str, Any]:
        values = {name: field(variables) for name, field in fields}
        return {name: value for name, value in values.items() if value is not UNDEFINED_VALUE}

    return read


def _field(definition: Any, node: Any) -> Read:
    if is_hooked(definition.literal_coercer.keywords["directives"]):
        return refuse
    return given_or_default(definition, node)


def _enum_value(of_type: GraphQLEnumType, node: EnumValueNode) -> Read:
    try:
        value = of_type.get_value(node.value)
    except KeyError:
        return refuse
    return refuse if is_hooked(value.literal_coercer) else _constant(node.value)


def _scalar(of_type: GraphQLScalarType, node: Any) -> Read:
    parse: Any = of_type.parse_literal
    if getattr(parse, "takes_variables", False):  # see `engine.patches`
        return lambda variables: _defined(parse(node, variables))
    try:
        _defined(parse(node))
    except Exception:  # noqa: BLE001 — whatever a scalar raises is a refusal
        return refuse
    return lambda _variables: parse(node)


def _defined(value: Any) -> Any:
    if value is UNDEFINED_VALUE:
        raise LeftToLibraryError
    return value
