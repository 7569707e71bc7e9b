"""A variable inside a list or object literal must have the type of its place. Tartiflette checks variables only where
they are a whole argument, so `recordUsage(input: {delta: $text})` would hand a resolver a string where the schema
promises an Int.

Source: GraphQL specification, section 5.8.5 (all variable usages are allowed).
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tartiflette.language.ast import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    ListTypeNode,
    ListValueNode,
    NonNullTypeNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    VariableNode,
)

from app.graphql.refusals import RuleBrokenError
from app.graphql.schema_lookup import field_of, named_type_of, type_named


class Usage(NamedTuple):
    variable: VariableNode
    place: Any
    place_has_default: bool


def misused_variables(document: Any, schema: Any) -> list[RuleBrokenError]:
    """One error for each variable that stands in a literal where its declared type is not allowed."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    errors = []
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode) and operation.variable_definitions:
            declared = {definition.variable.name.value: definition for definition in operation.variable_definitions}
            root = schema.get_operation_root_type(operation)
            for usage in _usages_in_set(operation.selection_set, root, schema, fragments, set()):
                definition = declared.get(usage.variable.name.value)
                if definition and not _is_allowed(definition, usage):
                    errors.append(_misuse(definition, usage))
    return errors


def _usages_in_set(
    selection_set: Any, parent: Any, schema: Any, fragments: dict[str, Any], visited: set[str]
) -> Iterator[Usage]:
    for selection in selection_set.selections:
        for directive in selection.directives or ():
            if schema.has_directive(directive.name.value):
                definition = schema.find_directive(directive.name.value)
                yield from _usages_in_arguments(directive.arguments, definition.arguments)
        inner_set, inner_parent = None, parent
        if isinstance(selection, FieldNode):
            field = field_of(schema, parent, selection.name.value)
            if field:
                yield from _usages_in_arguments(selection.arguments, field.arguments)
                inner_set, inner_parent = selection.selection_set, named_type_of(field.graphql_type)
        else:
            fragment = selection
            if isinstance(selection, FragmentSpreadNode):
                if selection.name.value in visited:
                    continue
                visited.add(selection.name.value)
                fragment = fragments[selection.name.value]
            condition = fragment.type_condition
            inner_set = fragment.selection_set
            inner_parent = (type_named(schema, condition.name.value) if condition else None) or parent
        if inner_set:
            yield from _usages_in_set(inner_set, inner_parent, schema, fragments, visited)


def _usages_in_arguments(arguments: Iterable[Any] | None, definitions: dict[str, Any]) -> Iterator[Usage]:
    for argument in arguments or ():
        definition = definitions.get(argument.name.value)
        if definition and not isinstance(argument.value, VariableNode):
            yield from _usages_in_value(argument.value, definition.graphql_type)


def _usages_in_value(value: Any, place: Any, *, place_has_default: bool = False) -> Iterator[Usage]:
    if isinstance(value, VariableNode):
        yield Usage(value, place, place_has_default)
        return
    if place.is_non_null_type:
        place = place.wrapped_type
    if isinstance(value, ListValueNode):
        if place.is_list_type:
            for item in value.values:
                yield from _usages_in_value(item, place.wrapped_type)
    elif isinstance(value, ObjectValueNode):
        # One object where a list is due counts as a list of one.
        fields = getattr(named_type_of(place), "input_fields", None) or {}
        for field in value.fields:
            definition = fields.get(field.name.value)
            if definition:
                has_default = definition.default_value is not None
                yield from _usages_in_value(field.value, definition.graphql_type, place_has_default=has_default)


def _is_allowed(definition: Any, usage: Usage) -> bool:
    place = usage.place
    if place.is_non_null_type and not isinstance(definition.type, NonNullTypeNode):
        has_default = definition.default_value is not None and not isinstance(definition.default_value, NullValueNode)
        if not has_default and not usage.place_has_default:
            return False
        place = place.wrapped_type
    return _fits(definition.type, place)


def _fits(declared: Any, place: Any) -> bool:
    if place.is_non_null_type:
        return isinstance(declared, NonNullTypeNode) and _fits(declared.type, place.wrapped_type)
    if isinstance(declared, NonNullTypeNode):
        return _fits(declared.type, place)
    if place.is_list_type:
        return isinstance(declared, ListTypeNode) and _fits(declared.type, place.wrapped_type)
    return not isinstance(declared, ListTypeNode) and bool(declared.name.value == place.name)


def _misuse(definition: Any, usage: Usage) -> RuleBrokenError:
    message = f"Variable ${usage.variable.name.value} of type {definition.type} is used where {usage.place} is expected"
    return RuleBrokenError(message, [definition.location, usage.variable.location])
