"""What fields have resolved to, made ready for the answer: each type compiled once for its place in a plan.

In place of `tartiflette.coercers.outputs`. A value that waits for nothing is completed by a plain function.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tartiflette.coercers.common import Path
from tartiflette.coercers.outputs.common import handle_field_error
from tartiflette.constants import UNDEFINED_VALUE
from tartiflette.execution.context import ExecutionContext
from tartiflette.types.enum import GraphQLEnumType
from tartiflette.types.exceptions.tartiflette import MultipleException
from tartiflette.types.scalar import GraphQLScalarType
from tartiflette.utils.errors import extract_exceptions_from_results

from app.graphql.engine.fast.library import LeftToLibraryError, is_hooked


@dataclass(frozen=True, slots=True)
class Place:
    """The field whose value is completed: its name as messages have it, its nodes, and how it wants its lists."""

    name: str
    nodes: list[Any]
    list_concurrently: bool


@dataclass(frozen=True, slots=True)
class Completion:
    """`complete(run, value, path)` is a coroutine function if it `waits`. Without a list or an object in it, it does not need
    the path.
    """

    complete: Callable[[ExecutionContext, Any, Any], Any]
    waits: bool = False
    needs_path: bool = False


def completion(of_type: Any, place: Place, selected: Callable[[Any], Completion]) -> Completion:
    """The completion of values of a type.

    Args:
        selected: the completion of one object of a type, which is never None.

    Raises:
        LeftToLibraryError: an interface, a union, or a type with directives that run.
    """
    if of_type.is_non_null_type:
        return _non_null(completion(of_type.wrapped_type, place, selected), place)
    if of_type.is_list_type:
        item_type = of_type.wrapped_type
        return _list(completion(item_type, place, selected), item_type, place)
    if of_type.is_abstract_type or is_hooked(of_type.output_coercer.keywords["directives"]):
        raise LeftToLibraryError
    if isinstance(of_type, GraphQLScalarType):
        return _scalar(of_type)
    return _enum(of_type) if isinstance(of_type, GraphQLEnumType) else _object(selected(of_type))


def _scalar(of_type: GraphQLScalarType) -> Completion:
    coerce_output: Any = of_type.coerce_output

    def complete(_run: ExecutionContext, value: Any, _path: Any) -> Any:
        if value is None:
            return None
        coerced = coerce_output(value)
        if coerced is UNDEFINED_VALUE:
            raise _unexpected(of_type, value)
        return coerced

    return Completion(complete)


def _enum(of_type: GraphQLEnumType) -> Completion:
    if any(is_hooked(value.output_coercer) for value in of_type.values):
        raise LeftToLibraryError
    names = {value.value: value for value in of_type.values}

    def complete(_run: ExecutionContext, value: Any, _path: Any) -> Any:
        if value is not None and value not in names:
            raise _unexpected(of_type, value)
        return value

    return Completion(complete)


def _unexpected(of_type: Any, value: Any) -> ValueError:
    return ValueError(f"Expected value of type {of_type} but received {type(value)}.")


def _object(selected: Completion) -> Completion:
    complete_object = selected.complete

    def complete(run: ExecutionContext, value: Any, path: Any) -> Any:
        return None if value is None else complete_object(run, value, path)

    async def complete_waiting(run: ExecutionContext, value: Any, path: Any) -> Any:
        return None if value is None else await complete_object(run, value, path)

    return Completion(complete_waiting if selected.waits else complete, selected.waits, needs_path=True)


def _non_null(inner: Completion, place: Place) -> Completion:
    complete_inner = inner.complete
    message = f"Cannot return null for non-nullable field {place.name}."

    def complete(run: ExecutionContext, value: Any, path: Any) -> Any:
        completed = complete_inner(run, value, path)
        if completed is None:
            raise ValueError(message)
        return completed

    async def complete_waiting(run: ExecutionContext, value: Any, path: Any) -> Any:
        completed = await complete_inner(run, value, path)
        if completed is None:
            raise ValueError(message)
        return completed

    return Completion(complete_waiting if inner.waits else complete, inner.waits, inner.needs_path)


def _list(item: Completion, item_type: Any, place: Place) -> Completion:
    """A list with an entry that is null and must not be is null itself, and tells the errors of all its entries."""
    complete_item, nodes = item.complete, place.nodes

    def complete(run: ExecutionContext, value: Any, path: Any) -> Any:
        if value is None:
            return None
        results: list[Any] = []
        for index, entry in enumerate(_entries(value, place)):
            entry_path = Path(path, index)
            try:
                results.append(complete_item(run, raised(entry), entry_path))
            except Exception as error:  # noqa: BLE001 — every failure is an error of its entry
                results.append(_failure(error, nodes, entry_path, item_type, run))
        return _without_failures(results)

    async def complete_entry(run: ExecutionContext, entry: Any, path: Any) -> Any:
        try:
            return await complete_item(run, raised(entry), path)
        except Exception as error:  # noqa: BLE001 — likewise
            return _failure(error, nodes, path, item_type, run)

    async def complete_waiting(run: ExecutionContext, value: Any, path: Any) -> Any:
        if value is None:
            return None
        entries = enumerate(_entries(value, place))
        if place.list_concurrently:
            waiting = [complete_entry(run, entry, Path(path, index)) for index, entry in entries]
            results = await asyncio.gather(*waiting, return_exceptions=True)
        else:
            results = [await complete_entry(run, entry, Path(path, index)) for index, entry in entries]
        return _without_failures(results)

    return Completion(complete_waiting if item.waits else complete, item.waits, needs_path=True)


def raised(value: Any) -> Any:
    """A resolver may return what it would raise."""
    if isinstance(value, Exception):
        raise value
    return value


def _entries(value: Any, place: Place) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"Expected Iterable, but did not find one for field {place.name}.")
    return value


def _failure(error: Exception, nodes: list[Any], path: Any, of_type: Any, run: ExecutionContext) -> Any:
    try:
        return handle_field_error(error, nodes, path, of_type, run)
    except MultipleException as failure:
        return failure


def _without_failures(results: list[Any]) -> list[Any]:
    failures = extract_exceptions_from_results(results)
    if failures:
        raise failures
    return results
