"""Tartiflette, set up the one way this product uses it.

A resolver is a coroutine `(parent, arguments, context, info)`, registered inside a function that is given the engine's
schema name:

    def register(schema_name: str) -> None:
        @resolver(schema_name, "Query.feature")
        async def feature(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Feature: ...

The library's registry is global to the process; a schema name of its own for every engine keeps two engines apart.
"""

import asyncio
import functools
import itertools
import re
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from typing import Any

import tartiflette
from tartiflette.resolver.default import sync_arguments_coercer

from app.graphql.ast_limits import load_within_limits
from app.graphql.engine_patches import patch_engine
from app.graphql.errors import ERRORS_PER_RESPONSE, coerce_error, current_request_id
from app.graphql.gate import gated
from app.graphql.limits import Limits
from app.graphql.refusals import DocumentRefusedError
from app.graphql.scalars import register_scalars, with_scalars

ResolverFunction = Callable[[Any, dict[str, Any], Any, Any], Awaitable[Any]]

_INTROSPECTION_MODULE = "app.graphql.introspection"
_NO_DATA = object()
_CAPITAL = re.compile(r"(?<=.)[A-Z]")
_numbers = itertools.count(1)


class _Tartiflette(tartiflette.Engine):
    """The library's engine, with answers that leave `data` out when nothing was executed.

    Upstream says `data: null` for errors of the request too; the specification keeps that for execution (section 7.1).
    """

    _build_response: Any
    _schema: Any

    async def cook(self, *arguments: Any, **settings: Any) -> None:
        await super().cook(*arguments, **settings)
        self._build_response = functools.partial(_build_response, error_coercer=self._error_coercer)

    @property
    def type_definitions(self) -> dict[str, Any]:
        definitions: dict[str, Any] = self._schema.type_definitions
        return definitions


class _Answer:
    """What the lists of one answer hold so far. A field's list is counted before any of its entries is looked at."""

    def __init__(self, entries_allowed: int) -> None:
        self._entries_allowed = entries_allowed
        self._entries = 0

    def add(self, entries: int) -> None:
        self._entries += entries
        if self._entries > self._entries_allowed:
            raise DocumentRefusedError(
                f"The lists of the answer have more than {self._entries_allowed} entries together: "
                "ask for less at a time, with first and after"
            )


_answer: ContextVar[_Answer | None] = ContextVar("graphql_answer", default=None)


class Engine:
    """Answers GraphQL requests for one schema. Made by `cook_engine`."""

    def __init__(self, tartiflette_engine: _Tartiflette, limits: Limits) -> None:
        self._tartiflette = tartiflette_engine
        self._limits = limits

    async def execute(
        self,
        query: str,
        operation_name: str | None = None,
        context: Any = None,
        variables: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Runs one request.

        Args:
            context: what resolvers get as their third argument; its `request_id` is the one that faults are logged and
                answered with.

        Returns: `{"data": …}`, `{"data": …, "errors": […]}`, or `{"errors": […]}` when nothing was executed.
        """
        request_id = current_request_id.set(getattr(context, "request_id", "none"))
        answer = _answer.set(_Answer(self._limits.list_entries))
        try:
            return await self._tartiflette.execute(query, operation_name, context, variables)
        finally:
            _answer.reset(answer)
            current_request_id.reset(request_id)

    @property
    def input_fields(self) -> dict[str, dict[str, str]]:
        """Every input object's fields with their types as SDL writes them: `{"EntitlementInput": {"limit": "Int",
        …}}`.
        """
        return {
            name: {field.name: str(field.gql_type) for field in definition.input_fields.values()}
            for name, definition in self._tartiflette.type_definitions.items()
            if getattr(definition, "input_fields", None)
        }


async def cook_engine(sdl: str, register: Callable[[str], None], *, limits: Limits | None = None) -> Engine:
    """An engine for a schema, ready to execute.

    Args:
        sdl: the whole schema as text. It declares the scalars DateTime and JSON where it uses them.
        register: links resolvers to the schema name it is given, through `resolver`.
        limits: what documents may ask for; the defaults are for production.

    Raises:
        RuntimeError: tartiflette is not the version that `engine_patches` corrects.
    """
    patch_engine()
    limits = limits or Limits()
    schema_name = f"meterline-{next(_numbers)}"
    register_scalars(schema_name)
    register(schema_name)
    engine = _Tartiflette(
        with_scalars(sdl),
        schema_name=schema_name,
        modules=[_INTROSPECTION_MODULE],
        error_coercer=coerce_error,
        # The gate: see `gate` and `ast_limits` for what each of the two sees.
        query_cache_decorator=gated(limits),
        json_loader=functools.partial(load_within_limits, limits=limits),
        # A task for each field and argument costs more than everything else the engine does. Resolvers ask for
        # concurrency one by one.
        coerce_list_concurrently=False,
        coerce_parent_concurrently=False,
        custom_default_arguments_coercer=sync_arguments_coercer,
        custom_default_resolver=attribute_of_parent,
    )
    await engine.cook()
    return Engine(engine, limits)


def resolver(
    schema_name: str, field: str, *, list_concurrently: bool | None = None, parent_concurrently: bool | None = None
) -> Callable[[ResolverFunction], ResolverFunction]:
    """Registers a coroutine function as the resolver of `Type.field`.

    Sequential unless asked otherwise: a field that calls a loader needs `parent_concurrently=True`, and the field that
    returns the list above it `list_concurrently=True`, so that the loader sees all keys at once. (Tartiflette's own
    decorator has `True` as its default.)
    """

    def decorate(function: ResolverFunction) -> ResolverFunction:
        register = tartiflette.Resolver(
            field,
            schema_name=schema_name,
            list_concurrently=list_concurrently,
            parent_concurrently=parent_concurrently,
        )
        register(_counted(_with_cancellation_as_fault(function)))
        return function

    return decorate


async def attribute_of_parent(parent: Any, _arguments: dict[str, Any], _context: Any, info: Any) -> Any:
    """The resolver of every field that has none: `periodStart` is the parent's `period_start` (or `periodStart`), or a
    dict's key.

    A dict is asked for keys alone; tartiflette's default would answer `items` or `keys` with the dict's method.
    """
    if isinstance(parent, dict):
        return _count(parent.get(info.field_name))
    return _count(getattr(parent, _snake_case(info.field_name), None))


@functools.cache
def _snake_case(field_name: str) -> str:
    return _CAPITAL.sub(lambda capital: f"_{capital.group().lower()}", field_name)


def _count(value: Any) -> Any:
    if isinstance(value, list) and (answer := _answer.get()) is not None:
        answer.add(len(value))
    return value


def _counted(function: ResolverFunction) -> ResolverFunction:
    """Its lists count for the limit of the answer."""

    @functools.wraps(function)
    async def resolve(parent: Any, arguments: dict[str, Any], context: Any, info: Any) -> Any:
        return _count(await function(parent, arguments, context, info))

    return resolve


def _with_cancellation_as_fault(function: ResolverFunction) -> ResolverFunction:
    """A CancelledError that nobody asked this task for (a future it waited on was cancelled) becomes an ordinary fault
    of its field.

    In a field that runs concurrently, tartiflette would otherwise return the CancelledError object itself as the
    field's value.
    """

    @functools.wraps(function)
    async def resolve(parent: Any, arguments: dict[str, Any], context: Any, info: Any) -> Any:
        try:
            return await function(parent, arguments, context, info)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise RuntimeError(f"What {function.__qualname__} waited for was cancelled") from error

    return resolve


async def _build_response(
    *,
    error_coercer: Callable[[Any], Awaitable[dict[str, Any]]],
    data: Any = _NO_DATA,
    errors: Iterable[Any] | None = None,
) -> dict[str, Any]:
    told = [await error_coercer(error) for error in list(errors or ())[:ERRORS_PER_RESPONSE]]
    if data is _NO_DATA:
        for error in told:
            # Tartiflette gives errors of validation a path as well; the specification has it for fields that were executed.
            error.pop("path", None)
        return {"errors": told}
    return {"data": data, "errors": told} if told else {"data": data}
