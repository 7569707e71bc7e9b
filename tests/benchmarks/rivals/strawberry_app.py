"""The call as a Strawberry mutation on FastAPI."""

from typing import Annotated, TypedDict

import strawberry
from fastapi import FastAPI, Header, HTTPException
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.fastapi import GraphQLRouter
from strawberry.types import Info

from tests.benchmarks.rivals.counting import Recorded, UnknownKeyError, Usage


@strawberry.input
class CreateUsageEventInput:
    user_id: str
    feature_id: str
    delta: int = 1
    idempotency_key: str | None = None


@strawberry.type
class Consumption:
    used: int
    budget: int | None
    overage_enabled: bool


@strawberry.type
class RecordedUsage:
    recorded: bool
    reason: str | None
    event_id: str
    duplicate: bool
    consumption: Consumption


class Context(TypedDict):
    usage: Usage
    tenant_id: int


@strawberry.type
class Query:
    @strawberry.field
    def version(self) -> str:
        return "1"


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def record_usage(self, info: Info[Context, None], input: CreateUsageEventInput) -> RecordedUsage:  # noqa: A002 — the schema's word
        recorded = await info.context["usage"].record(
            info.context["tenant_id"], input.user_id, input.feature_id, input.delta, input.idempotency_key
        )
        return _view(recorded)


def create_app() -> FastAPI:
    usage = Usage()
    schema = strawberry.Schema(query=Query, mutation=Mutation, extensions=[ParserCache(), ValidationCache()])

    async def context(authorization: Annotated[str, Header()]) -> Context:
        try:
            return {"usage": usage, "tenant_id": await usage.tenant_of(authorization.removeprefix("Bearer "))}
        except UnknownKeyError as unknown:
            raise HTTPException(401) from unknown

    app = FastAPI(lifespan=usage.lifespan)
    app.include_router(GraphQLRouter(schema, context_getter=context), prefix="/graphql")
    return app


def _view(recorded: Recorded) -> RecordedUsage:
    event, counter = recorded.event, recorded.counter
    return RecordedUsage(
        recorded=event.recorded,
        reason=event.reason,
        event_id=str(event.id),
        duplicate=recorded.duplicate,
        consumption=Consumption(used=event.used_after, budget=counter.budget, overage_enabled=counter.overage_enabled),
    )
