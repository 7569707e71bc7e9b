"""How resolvers are registered, what stands around each of them, and the one of every field that has none."""

import asyncio
import functools
import re
from collections.abc import Awaitable, Callable
from typing import Any

import tartiflette

from app.graphql.engine.answers import counted

ResolverFunction = Callable[[Any, dict[str, Any], Any, Any], Awaitable[Any]]

_CAPITAL = re.compile(r"(?<=.)[A-Z]")


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
        register(_guarded(function))
        return function

    return decorate


def _guarded(function: ResolverFunction) -> ResolverFunction:
    """Its lists count for the limit of the answer, and a CancelledError that nobody asked this task for (a future it
    waited on was cancelled) becomes an ordinary fault of its field.

    In a field that runs concurrently, tartiflette would otherwise return the CancelledError object itself as the
    field's value.
    """

    @functools.wraps(function)
    async def resolve(parent: Any, arguments: dict[str, Any], context: Any, info: Any) -> Any:
        try:
            return counted(await function(parent, arguments, context, info))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise RuntimeError(f"What {function.__qualname__} waited for was cancelled") from error

    return resolve


async def attribute_of_parent(parent: Any, _arguments: dict[str, Any], _context: Any, info: Any) -> Any:
    """The resolver of every field that has none: `periodStart` is the parent's `period_start`, or a dict's key.

    A dict is asked for keys alone; tartiflette's default would answer `items` or `keys` with the dict's method.
    """
    if isinstance(parent, dict):
        return counted(parent.get(info.field_name))
    return counted(getattr(parent, attribute_name(info.field_name), None))


@functools.cache
def attribute_name(field_name: str) -> str:
    """`period_start` for `periodStart`."""
    return _CAPITAL.sub(lambda capital: f"_{capital.group().lower()}", field_name)
