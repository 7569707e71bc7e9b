"""Two selections that would answer under one key must ask for the same thing. Tartiflette runs the first and drops the
second.

Source: GraphQL specification, section 5.3.2, in the form of S. Adameit's two passes (as Sangria and graphql-java have
it): first all fields of one key have the same shape, then those that can meet on one object are the same field with the
same arguments. The gate's limits come first, so there are at most a few hundred fields here.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tartiflette.language.ast import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, OperationDefinitionNode

from app.graphql.literals import printed
from app.graphql.refusals import RuleBrokenError
from app.graphql.schema_lookup import field_of, named_type_of, type_named


class Selected(NamedTuple):
    """A field of the document with the type it is selected on; `definition` is None for a field that does not exist."""

    parent: Any
    node: FieldNode
    definition: Any


Fields = dict[str, list[Selected]]


def conflicting_fields(document: Any, schema: Any) -> list[RuleBrokenError]:
    """One error for each operation or fragment in which fields conflict: the first conflict found."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    collector = _Collector(schema, fragments)
    errors = []
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            fields = collector.of_sets([(definition.selection_set, schema.get_operation_root_type(definition))])
            error = next(_shape_conflicts(fields, collector), None) or next(_meaning_conflicts(fields, collector), None)
            if error:
                errors.append(error)
    return errors


class _Collector:
    """Which fields selection sets select, their fragments expanded, by the key they answer under."""

    def __init__(self, schema: Any, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments

    def of_sets(self, sets: Iterable[tuple[Any, Any]]) -> Fields:
        fields: Fields = {}
        visited: set[tuple[str, str]] = set()
        for selection_set, parent in sets:
            self._collect(selection_set, parent, fields, visited)
        return fields

    def below(self, selected: Iterable[Selected]) -> Fields:
        return self.of_sets(
            (field.node.selection_set, named_type_of(field.definition.graphql_type))
            for field in selected
            if field.node.selection_set and field.definition
        )

    def _collect(self, selection_set: Any, parent: Any, fields: Fields, visited: set[tuple[str, str]]) -> None:
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                key = selection.alias.value if selection.alias else selection.name.value
                definition = field_of(self._schema, parent, selection.name.value)
                fields.setdefault(key, []).append(Selected(parent, selection, definition))
                continue
            fragment = selection
            if isinstance(selection, FragmentSpreadNode):
                fragment = self._fragments[selection.name.value]
                if (selection.name.value, parent.name) in visited:
                    continue
                visited.add((selection.name.value, parent.name))
            condition = fragment.type_condition
            inner_parent = type_named(self._schema, condition.name.value) if condition else parent
            self._collect(fragment.selection_set, inner_parent or parent, fields, visited)


def _shape_conflicts(fields: Fields, collector: _Collector) -> Iterator[RuleBrokenError]:
    for key, selected in fields.items():
        first, *others = [field for field in selected if field.definition] or [selected[0]]
        for other in others:
            if not _same_shape(first.definition.graphql_type, other.definition.graphql_type):
                yield _conflict(key, first, other, "they return conflicting types")
        if others:
            yield from _shape_conflicts(collector.below(selected), collector)
        elif first.node.selection_set and first.definition:
            yield from _shape_conflicts(collector.below([first]), collector)


def _meaning_conflicts(fields: Fields, collector: _Collector) -> Iterator[RuleBrokenError]:
    for key, selected in fields.items():
        for first, *others in _groups_that_can_meet(selected):
            for other in others:
                if first.node.name.value != other.node.name.value:
                    names = f"{first.node.name.value} and {other.node.name.value} are different fields"
                    yield _conflict(key, first, other, names)
                elif _arguments(first.node) != _arguments(other.node):
                    yield _conflict(key, first, other, "they have differing arguments")
            yield from _meaning_conflicts(collector.below([first, *others]), collector)


def _groups_that_can_meet(selected: list[Selected]) -> list[list[Selected]]:
    """Fields on two different object types never meet on one object; those on an interface or union may meet with
    any.
    """
    abstract = [field for field in selected if field.parent.is_abstract_type]
    groups: dict[str, list[Selected]] = {}
    for field in selected:
        if not field.parent.is_abstract_type:
            groups.setdefault(field.parent.name, []).append(field)
    return [group + abstract for group in groups.values()] or [abstract]


def _same_shape(one: Any, other: Any) -> bool:
    for wrapping in ("is_non_null_type", "is_list_type"):
        if getattr(one, wrapping) or getattr(other, wrapping):
            if not (getattr(one, wrapping) and getattr(other, wrapping)):
                return False
            return _same_shape(one.wrapped_type, other.wrapped_type)
    if one.kind in {"SCALAR", "ENUM"} or other.kind in {"SCALAR", "ENUM"}:
        return bool(one.name == other.name)
    return True


def _arguments(node: FieldNode) -> dict[str, str]:
    return {argument.name.value: printed(argument.value) for argument in node.arguments or ()}


def _conflict(key: str, first: Selected, other: Selected, reason: str) -> RuleBrokenError:
    message = f"Fields {key} conflict because {reason}. Use different aliases on the fields to fetch both"
    return RuleBrokenError(message, [first.node.location, other.node.location])
