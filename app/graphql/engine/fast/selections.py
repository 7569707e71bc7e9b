"""The fields that a document selects on one type of object, planned once and resolved for each object.

In place of `tartiflette.execution.execute.execute_fields` and of the look-up of fields and resolvers by name.
"""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from tartiflette.execution.context import ExecutionContext
from tartiflette.utils.directives import resolver_executor
from tartiflette.utils.errors import extract_exceptions_from_results

from app.graphql.engine.fast.collecting import Collector
from app.graphql.engine.fast.fields import Field, LibraryField, PlainField, Selected, TypenameField, WaitingField
from app.graphql.engine.fast.library import LeftToLibraryError
from app.graphql.engine.fast.values import Completion, Place, completion
from app.graphql.engine.resolvers import ResolverFunction, attribute_of_parent

_WAITING: Final = (WaitingField, LibraryField)


class Selection:
    """Fields in the order of the answer."""

    __slots__ = ("_concurrent", "_fields", "_plain")

    def __init__(self, fields: Iterable[Field]) -> None:
        self._fields = list(fields)
        self._plain = [field for field in self._fields if not isinstance(field, _WAITING)]
        self._concurrent = [field for field in self._fields if isinstance(field, _WAITING) and field.concurrently]

    @property
    def completion(self) -> Completion:
        """How an object is completed: by a plain function where no field has to be waited for."""
        if len(self._plain) == len(self._fields):
            return Completion(self._read, needs_path=True)
        return Completion(self.resolve, waits=True, needs_path=True)

    async def resolve(self, run: ExecutionContext, source: Any, path: Any) -> dict[str, Any]:
        """The answer for an object: its fields one by one, those that asked for it all at once in the end."""
        answer: dict[str, Any] = {}
        for field in self._fields:
            if isinstance(field, _WAITING):
                answer[field.key] = None if field.concurrently else await field.resolve(run, source, path)
            else:
                answer[field.key] = field.read(run, source, path)
        if self._concurrent:
            await self._resolve_concurrent(answer, run, source, path)
        return answer

    async def resolve_in_order(self, run: ExecutionContext, source: Any, path: Any) -> dict[str, Any]:
        """The answer of a mutation: each field after the one before it, whatever it asked for."""
        answer: dict[str, Any] = {}
        for field in self._fields:
            if isinstance(field, _WAITING):
                answer[field.key] = await field.resolve(run, source, path)
            else:
                answer[field.key] = field.read(run, source, path)
        return answer

    async def _resolve_concurrent(self, answer: dict[str, Any], run: ExecutionContext, source: Any, path: Any) -> None:
        waiting = [field.resolve(run, source, path) for field in self._concurrent]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        if failures := extract_exceptions_from_results(results):
            raise failures
        answer.update(zip((field.key for field in self._concurrent), results, strict=True))

    def _read(self, run: ExecutionContext, source: Any, path: Any) -> dict[str, Any]:
        return {field.key: field.read(run, source, path) for field in self._plain}


class Planner:
    """Plans what one operation selects, by what its collector collects.

    Args:
        leaves: the completions that all documents of the schema share, by `Type.field`. Added to here.
    """

    def __init__(self, collector: Collector, leaves: dict[str, Completion]) -> None:
        self._collector = collector
        self._leaves = leaves
        self.fields = 0  # planned so far

    def selection(self, of_type: Any, selection_sets: Iterable[Any]) -> Selection:
        """The plan for objects of a type."""
        collected = self._collector.collect(of_type, selection_sets)
        self.fields += len(collected)
        fields = (self._field(of_type, key, nodes) for key, nodes in collected.items())
        return Selection(field for field in fields if field)

    def _field(self, of_type: Any, key: str, nodes: list[Any]) -> Field | None:
        definition = of_type.implemented_fields.get(nodes[0].name.value)
        if definition is None:
            return None
        selected = Selected(key, nodes, of_type, definition)
        if definition.name == "__typename":
            return TypenameField(selected)
        try:
            resolve = _resolver_of(definition)
            completed = self._completion(selected)
        except LeftToLibraryError:
            return LibraryField(selected)
        if resolve is attribute_of_parent and not (definition.arguments or completed.waits):
            return PlainField(selected, completed)
        return WaitingField(selected, resolve, completed)

    def _completion(self, selected: Selected) -> Completion:
        definition, nodes = selected.definition, selected.nodes
        name = f"{selected.parent_type.name}.{definition.name}"
        if name in self._leaves:
            return self._leaves[name]
        selection_sets = [node.selection_set for node in nodes if node.selection_set]
        completed = completion(
            definition.graphql_type,
            Place(name, nodes, bool(definition.list_concurrently)),
            lambda of_type: self.selection(of_type, selection_sets).completion,
        )
        if not completed.needs_path:
            self._leaves[name] = completed
        return completed


def _resolver_of(definition: Any) -> ResolverFunction:
    """Raises LeftToLibraryError for introspection, and where a directive of the schema runs around the resolver."""
    resolve: Any = definition.resolver.keywords["resolver"]
    if definition.name.startswith("__") or not isinstance(resolve, partial) or resolve.func is not resolver_executor:
        raise LeftToLibraryError
    function: ResolverFunction = resolve.args[0]
    return function
