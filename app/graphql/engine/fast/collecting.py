"""Which fields a selection set selects on an object of a type, its fragments and conditions applied.

In place of `tartiflette.execution.collect`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tartiflette.language.ast import (
    BooleanValueNode,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    VariableNode,
)

from app.graphql.engine.fast.library import LeftToLibraryError

# The nodes of each field, by the key it answers under.
Collected = dict[str, list[FieldNode]]


class Collector:
    """For one operation and one set of values for the variables of its conditions."""

    def __init__(self, schema: Any, fragments: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables

    def collect(self, of_type: Any, selection_sets: Iterable[Any]) -> Collected:
        """The fields of all these selection sets together, in the order of the document."""
        fields: Collected = {}
        visited: set[str] = set()
        for selection_set in selection_sets:
            self._add(of_type, selection_set, fields, visited)
        return fields

    def _add(self, of_type: Any, selection_set: Any, fields: Collected, visited: set[str]) -> None:
        for selection in selection_set.selections:
            if not all(_is_met(directive, self._variables) for directive in selection.directives or ()):
                continue
            if isinstance(selection, FieldNode):
                fields.setdefault((selection.alias or selection.name).value, []).append(selection)
            elif isinstance(selection, InlineFragmentNode):
                self._add_fragment(of_type, selection, fields, visited)
            elif selection.name.value not in visited:
                visited.add(selection.name.value)
                self._add_fragment(of_type, self._fragments[selection.name.value], fields, visited)

    def _add_fragment(self, of_type: Any, fragment: Any, fields: Collected, visited: set[str]) -> None:
        condition = fragment.type_condition
        if condition is None or self._matches(self._schema.find_type(condition.name.value), of_type):
            self._add(of_type, fragment.selection_set, fields, visited)

    @staticmethod
    def _matches(condition: Any, of_type: Any) -> bool:
        return condition is of_type or bool(condition.is_abstract_type and condition.is_possible_type(of_type))


def conditions_in(selection_set: Any, fragments: Mapping[str, Any]) -> frozenset[str]:
    """The variables that decide what an operation selects.

    Raises:
        LeftToLibraryError: a directive that is no condition.
    """
    nodes = (_condition(directive) for directive in _directives_in(selection_set, fragments, set()))
    return frozenset(node.name.value for node in nodes if isinstance(node, VariableNode))


def _directives_in(selection_set: Any, fragments: Mapping[str, Any], visited: set[str]) -> Iterator[Any]:
    for selection in selection_set.selections:
        yield from selection.directives or ()
        inner = None
        if not isinstance(selection, FragmentSpreadNode):
            inner = selection.selection_set
        elif selection.name.value not in visited:
            visited.add(selection.name.value)
            inner = fragments[selection.name.value].selection_set
        if inner:
            yield from _directives_in(inner, fragments, visited)


def _condition(directive: Any) -> BooleanValueNode | VariableNode:
    if directive.name.value in ("skip", "include"):
        for argument in directive.arguments:
            if isinstance(argument.value, BooleanValueNode | VariableNode):
                return argument.value
    raise LeftToLibraryError


def _is_met(directive: Any, variables: Mapping[str, Any]) -> bool:
    node = _condition(directive)
    value = variables.get(node.name.value) if isinstance(node, VariableNode) else node.value
    # A null, which only a variable with a default can be, is an error that tartiflette keeps to itself: the field is left out.
    return value is (directive.name.value == "include")
