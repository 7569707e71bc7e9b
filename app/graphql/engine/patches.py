"""Corrections of tartiflette 1.4.1, each with what it replaces and why. The dependency is pinned to exactly this
version.

They reach into the library's modules because it offers no setting for them; it has had no release since 2022. When it
is unpinned, every patch below must be looked at again: `patch_engine` refuses another version until then.
"""
# ruff: noqa: SLF001 — the library's private names are this module's subject
# Where mypy is told to ignore a line, the name is one that the library imports without exporting, or lacks altogether.

from functools import cache
from importlib.metadata import version
from typing import Any

from tartiflette.coercers import variables as variables_module
from tartiflette.coercers.common import CoercionResult
from tartiflette.coercers.literals.null_and_variable_coercer import null_and_variable_coercer_wrapper
from tartiflette.coercers.literals.scalar_coercer import scalar_coercer as upstream_scalar_literal
from tartiflette.execution.nodes import variable_definition as variable_definition_module
from tartiflette.language.ast import ListValueNode, ObjectValueNode
from tartiflette.language.parsers.libgraphqlparser import parser as parser_module
from tartiflette.language.validators.query import RULE_SET
from tartiflette.language.validators.query.rule import June2018ReleaseValidationRule
from tartiflette.types import scalar as scalar_module

from app.graphql.refusals import VariableRefusedError

PATCHED_VERSION = "1.4.1"
ERRORS_PER_VARIABLE = 20

_upstream_variable_coercer = variables_module.variable_coercer
_ffi = parser_module._FFI


@cache
def patch_engine() -> None:
    """Corrects the library in this process; a second call does nothing.

    Raises:
        RuntimeError: another version than the one these corrections were made for.
    """
    found = version("tartiflette")
    if found != PATCHED_VERSION:
        raise RuntimeError(f"app/graphql/engine/patches.py corrects tartiflette {PATCHED_VERSION}, found {found}")
    _free_parsed_json()
    _leave_cycles_to_the_gate()
    _print_lists_and_objects_in_errors()
    _keep_values_out_of_variable_errors()
    _give_scalar_literals_their_variables()


def _free_parsed_json() -> None:
    """`_parse_to_json_ast` never frees the string that `graphql_ast_to_json` allocates: 43 bytes lost for each byte of
    every document.
    """
    _ffi.cdef("void free(void *);")
    libc = _ffi.dlopen(None)

    def parse_to_json_ast(query: str | bytes) -> bytes:
        with parser_module._parse_context_manager(query) as parsed:
            text = parser_module._LIB.graphql_ast_to_json(parsed)
            try:
                return bytes(_ffi.string(text))
            finally:
                libc.free(_ffi.cast("void *", text))

    parser_module._parse_to_json_ast = parse_to_json_ast


class _NoRule(June2018ReleaseValidationRule):
    def validate(self, **_: Any) -> list[Any]:
        return []


def _leave_cycles_to_the_gate() -> None:
    """The rule calls a fragment that is spread twice a cycle, and misses cycles below a field. `ast_limits` has refused
    real ones before.
    """
    RULE_SET["fragment-spreads-must-not-form-cycles"] = _NoRule(abort=True)


def _print_lists_and_objects_in_errors() -> None:
    """`values-of-correct-type` reads `.value` of every literal, which lists and objects lack: `id: {}` became an
    internal error.
    """
    for node in (ListValueNode, ObjectValueNode):
        node.value = property(str)  # type: ignore[union-attr]


def _keep_values_out_of_variable_errors() -> None:
    """`variable_coercer` repeats the variable's whole value in each of its errors: 130 KB of unknown keys took 27 s and
    1.4 GB.
    """

    async def variable_coercer(
        definition: Any, raw_values: dict[str, Any], ctx: Any, input_coercer: Any, literal_coercer: Any
    ) -> Any:
        async def coerce_with_short_errors(node: Any, value: Any, ctx: Any) -> Any:
            result = await input_coercer(node, value, ctx)
            if not result.errors:
                return result
            shortened = [VariableRefusedError(definition.name, error) for error in result.errors[:ERRORS_PER_VARIABLE]]
            return CoercionResult(errors=shortened)

        return await _upstream_variable_coercer(definition, raw_values, ctx, coerce_with_short_errors, literal_coercer)

    variable_definition_module.variable_coercer = variable_coercer  # type: ignore[attr-defined, assignment]


def _give_scalar_literals_their_variables() -> None:
    """`parse_literal` is not told the variables, so `{a: $b}` as a JSON literal loses them. A scalar that sets
    `takes_variables` on its `parse_literal` now receives them as a second argument.
    """

    @null_and_variable_coercer_wrapper
    async def scalar_literal(
        parent_node: Any,
        node: Any,
        ctx: Any,
        scalar_type: Any,
        variables: dict[str, Any] | None = None,
        path: Any = None,
    ) -> Any:
        if getattr(scalar_type.parse_literal, "takes_variables", False):
            return CoercionResult(value=scalar_type.parse_literal(node, variables or {}))
        return await upstream_scalar_literal(
            parent_node, node, ctx, scalar_type=scalar_type, variables=variables, path=path
        )

    scalar_module.literal_scalar_coercer = scalar_literal  # type: ignore[attr-defined]
