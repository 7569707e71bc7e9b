"""Documents with their operations, which are compiled when they are first asked for.

In place of `tartiflette.execution.execute.execute`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from tartiflette.execution.execute import execute
from tartiflette.language.ast import OperationDefinitionNode

from app.graphql.engine.fast.library import LeftToLibraryError
from app.graphql.engine.fast.operations import Operation, SharedParts
from app.graphql.engine.fast.plans import Plans


class Document:
    """A document that was parsed and found valid."""

    __slots__ = ("_fragments", "_node", "_operation_nodes", "_operations", "_plans", "_shared")

    def __init__(self, node: Any, shared: SharedParts) -> None:
        self._node = node
        self._shared = shared
        self._plans = Plans()
        self._operation_nodes: dict[str | None, OperationDefinitionNode] = {}
        self._fragments: dict[str, Any] = {}
        self._operations: dict[str | None, Operation | None] = {}
        for definition in node.definitions:
            name = definition.name.value if definition.name else None
            if isinstance(definition, OperationDefinitionNode):
                self._operation_nodes[name] = definition
            else:
                self._fragments[name or ""] = definition

    async def execute(
        self,
        operation_name: str | None,
        context: Any,
        variables: dict[str, Any] | None,
        build_response: Callable[..., Awaitable[dict[str, Any]]],
    ) -> dict[str, Any]:
        """The answer to one request, by the library's own execution where a plan will not do."""
        operation = self._operation(operation_name)
        run = operation.start(context, variables or {}) if operation else None
        if operation is None or run is None:
            schema = self._shared.schema
            return await execute(schema, self._node, build_response, None, context, variables, operation_name)
        data = await operation.execute(run)
        return await build_response(data=data, errors=run.errors) if run.errors else {"data": data}

    def _operation(self, name: str | None) -> Operation | None:
        """The operation that is asked for. None where the document has none of this name, or where it is left to the
        library.
        """
        if not name:
            name = next(iter(self._operation_nodes)) if len(self._operation_nodes) == 1 else None
        if name not in self._operations and name in self._operation_nodes:
            self._operations[name] = self._compiled(self._operation_nodes[name])
        return self._operations.get(name)

    def _compiled(self, node: OperationDefinitionNode) -> Operation | None:
        try:
            return Operation(node, self._fragments, self._shared, self._plans)
        except LeftToLibraryError:
            return None
