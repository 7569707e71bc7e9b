"""One field of a plan: resolved, completed, an error put in its place.

In place of `tartiflette.resolver.factory`.
"""

from dataclasses import dataclass
from typing import Any

from tartiflette.coercers.arguments import coerce_arguments
from tartiflette.coercers.common import Path
from tartiflette.coercers.outputs.common import handle_field_error
from tartiflette.execution.context import ExecutionContext
from tartiflette.execution.types import ResolveInfo

from app.graphql.engine.answers import counted
from app.graphql.engine.fast.arguments import arguments_of
from app.graphql.engine.fast.values import Completion, raised
from app.graphql.engine.resolvers import ResolverFunction, attribute_name

# What an attribute may hold that is looked at before it is completed.
_SPECIAL = (list, Exception)


@dataclass(frozen=True, slots=True)
class Selected:
    """A field as a document selects it: the key it answers under, all its nodes, and what the schema says of it."""

    key: str
    nodes: list[Any]
    parent_type: Any
    definition: Any


class TypenameField:
    """`__typename`, which is known beforehand."""

    __slots__ = ("_name", "key")

    def __init__(self, selected: Selected) -> None:
        self.key = selected.key
        self._name = selected.parent_type.name

    def read(self, _run: ExecutionContext, _source: Any, _parent_path: Any) -> Any:
        return self._name


class PlainField:
    """An attribute of the parent, by the rule of `resolvers.attribute_of_parent`, that can be read without waiting."""

    __slots__ = ("_attribute", "_complete", "_name", "_needs_path", "_nodes", "_type", "key")

    def __init__(self, selected: Selected, completion: Completion) -> None:
        self.key = selected.key
        self._nodes = selected.nodes
        self._name = selected.definition.name
        self._attribute = attribute_name(self._name)
        self._type = selected.definition.graphql_type
        self._complete = completion.complete
        self._needs_path = completion.needs_path

    def read(self, run: ExecutionContext, source: Any, parent_path: Any) -> Any:
        try:
            value = source.get(self._name) if isinstance(source, dict) else getattr(source, self._attribute, None)
            if isinstance(value, _SPECIAL):
                value = counted(raised(value))
            return self._complete(run, value, Path(parent_path, self.key) if self._needs_path else None)
        except Exception as error:  # noqa: BLE001 — every failure is an error of its field
            return handle_field_error(error, self._nodes, Path(parent_path, self.key), self._type, run)


class WaitingField:
    """A field with a resolver or with arguments, or with something below it that waits."""

    __slots__ = ("_arguments", "_complete", "_resolve", "_selected", "_waits", "concurrently", "key")

    def __init__(self, selected: Selected, resolve: ResolverFunction, completion: Completion) -> None:
        self.key = selected.key
        self.concurrently = selected.definition.parent_concurrently
        self._selected = selected
        self._arguments = arguments_of(selected.definition, selected.nodes[0])
        self._resolve = resolve
        self._complete = completion.complete
        self._waits = completion.waits

    async def resolve(self, run: ExecutionContext, source: Any, parent_path: Any) -> Any:
        path = Path(parent_path, self.key)
        try:
            try:
                arguments = self._arguments(run.variable_values or {})
            except Exception:  # noqa: BLE001 — whatever it is, the library meets it again and words it
                arguments = await self._arguments_by_library(run)
            value = raised(await self._resolve(source, arguments, run.context, self._info(run, path)))
            completed = self._complete(run, value, path)
            return await completed if self._waits else completed
        except Exception as error:  # noqa: BLE001 — every failure is an error of its field
            return handle_field_error(error, self._selected.nodes, path, self._selected.definition.graphql_type, run)

    async def _arguments_by_library(self, run: ExecutionContext) -> dict[str, Any]:
        definition = self._selected.definition
        return await coerce_arguments(
            definition.arguments,
            self._selected.nodes[0],
            run.variable_values or {},
            run.context,
            coercer=definition.arguments_coercer,
        )

    def _info(self, run: ExecutionContext, path: Path) -> ResolveInfo:
        selected = self._selected
        return ResolveInfo(
            selected.definition.name,
            selected.nodes,
            selected.definition.graphql_type,
            selected.parent_type,
            path,
            run.schema,
            run.fragments,
            run.root_value,
            run.operation,
            run.variable_values,
            is_introspection_context=False,
        )


class LibraryField:
    """A field that tartiflette resolves with everything below it."""

    __slots__ = ("_selected", "concurrently", "key")

    def __init__(self, selected: Selected) -> None:
        self.key = selected.key
        self.concurrently = selected.definition.parent_concurrently
        self._selected = selected

    async def resolve(self, run: ExecutionContext, source: Any, parent_path: Any) -> Any:
        selected, path = self._selected, Path(parent_path, self.key)
        resolve = selected.definition.resolver
        return await resolve(run, selected.parent_type, source, selected.nodes, path, is_introspection_context=False)


Field = TypenameField | PlainField | WaitingField | LibraryField
