"""One operation of a document: its variables, its plan, its execution.

In place of `tartiflette.execution.context` and `tartiflette.execution.execute.execute_operation`.
"""

from collections.abc import Mapping
from typing import Any

from tartiflette.execution.context import ExecutionContext
from tartiflette.language.ast import OperationDefinitionNode

from app.graphql.engine.fast.collecting import Collector, conditions_in
from app.graphql.engine.fast.library import LeftToLibraryError
from app.graphql.engine.fast.plans import Plans
from app.graphql.engine.fast.selections import Planner, Selection
from app.graphql.engine.fast.values import Completion
from app.graphql.engine.fast.variables import Inputs


class SharedParts:
    """What the documents of one schema have in common: its input types, and how its leaves are completed."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.inputs = Inputs(schema)
        self.leaves: dict[str, Completion] = {}


class Operation:
    """Ready to be executed any number of times.

    Raises:
        LeftToLibraryError: a subscription, or a directive that is neither @skip nor @include.
    """

    __slots__ = ("_conditions", "_fragments", "_node", "_plans", "_root_type", "_shared", "_variables")

    def __init__(
        self, node: OperationDefinitionNode, fragments: dict[str, Any], shared: SharedParts, plans: Plans
    ) -> None:
        self._root_type: Any = shared.schema.get_operation_root_type(node)
        if node.operation_type == "subscription" or self._root_type is None:
            raise LeftToLibraryError
        self._conditions = sorted(conditions_in(node.selection_set, fragments))
        self._variables = shared.inputs.variables(node.variable_definitions)
        self._node = node
        self._fragments = fragments
        self._shared = shared
        self._plans = plans

    def start(self, context: Any, given: Mapping[str, Any]) -> ExecutionContext | None:
        """What one execution keeps, or None if a variable is to be refused."""
        try:
            variables = self._variables(given)
        except Exception:  # noqa: BLE001 — whatever it is, the library meets it again and words it
            return None
        return ExecutionContext(self._shared.schema, self._fragments, self._node, context, None, variables)

    async def execute(self, run: ExecutionContext) -> dict[str, Any] | None:
        """The data of the answer, None where an error came up to the top. Errors are added to the run."""
        selection = self._selection(run.variable_values or {})
        resolve = selection.resolve_in_order if self._node.operation_type == "mutation" else selection.resolve
        try:
            return await resolve(run, None, None)
        except Exception as error:  # noqa: BLE001 — every failure is an error of the answer
            run.add_error(error)
            return None

    def _selection(self, variables: Mapping[str, Any]) -> Selection:
        key = (id(self._node), *map(variables.get, self._conditions))
        selection = self._plans.get(key)
        if selection is None:
            collector = Collector(self._shared.schema, self._fragments, variables)
            planner = Planner(collector, self._shared.leaves)
            selection = planner.selection(self._root_type, [self._node.selection_set])
            self._plans.put(key, selection, planner.fields)
        return selection
