"""Making an engine, and what it does for each request."""

import functools
import itertools
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import tartiflette
from tartiflette.resolver.default import sync_arguments_coercer

from app.graphql.ast_limits import load_within_limits
from app.graphql.engine.answers import AnswerSize, current_answer
from app.graphql.engine.fast.documents import Document
from app.graphql.engine.fast.operations import SharedParts
from app.graphql.engine.patches import patch_engine
from app.graphql.engine.resolvers import attribute_of_parent
from app.graphql.errors import ERRORS_PER_RESPONSE, coerce_error, current_request_id
from app.graphql.gate import gated
from app.graphql.limits import Limits
from app.graphql.scalars import register_scalars, with_scalars

_INTROSPECTION_MODULE = "app.graphql.introspection"
_NO_DATA = object()
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
        self._shared = SharedParts(self._schema)

    def planned(self, document: Any) -> Document:
        """What the gate keeps in the place of a valid document, and `_perform_query` gets."""
        return Document(document, self._shared)

    async def _perform_query(
        self,
        schema: Any,
        document: Any,
        request_parsing_errors: list[Any] | None = None,
        operation_name: str | None = None,
        context: Any = None,
        variables: dict[str, Any] | None = None,
        initial_value: Any = None,
    ) -> dict[str, Any]:
        if isinstance(document, Document):
            return await document.execute(operation_name, context, variables, self._build_response)
        answer: dict[str, Any] = await super()._perform_query(
            schema, document, request_parsing_errors, operation_name, context, variables, initial_value
        )
        return answer

    @property
    def type_definitions(self) -> dict[str, Any]:
        definitions: dict[str, Any] = self._schema.type_definitions
        return definitions


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
        answer = current_answer.set(AnswerSize(self._limits.list_entries))
        try:
            return await self._tartiflette.execute(query, operation_name, context, variables)
        finally:
            current_answer.reset(answer)
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


async def cook_engine(
    sdl: str, register: Callable[[str], None], *, limits: Limits | None = None, fast: bool = True
) -> Engine:
    """An engine for a schema, ready to execute.

    Args:
        sdl: the whole schema as text. It declares the scalars DateTime and JSON where it uses them.
        register: links resolvers to the schema name it is given, through `resolver`.
        limits: what documents may ask for; the defaults are for production.
        fast: execute by plans (see `engine.fast`). Without them the library executes, to the same answers.

    Raises:
        RuntimeError: tartiflette is not the version that `patches` corrects.
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
        json_loader=functools.partial(load_within_limits, limits=limits),
        # A task for each field and argument costs more than everything else the engine does. Resolvers ask for
        # concurrency one by one.
        coerce_list_concurrently=False,
        coerce_parent_concurrently=False,
        custom_default_arguments_coercer=sync_arguments_coercer,
        custom_default_resolver=attribute_of_parent,
    )
    # The gate: see `gate` and `ast_limits` for what each of the two sees.
    await engine.cook(query_cache_decorator=gated(limits, engine.planned) if fast else gated(limits))
    return Engine(engine, limits)


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
