"""The call as a FastAPI endpoint."""

from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from tests.benchmarks.rivals.counting import Recorded, UnknownCounterError, UnknownKeyError, Usage


class Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


class RecordUsage(Model):
    user_id: str = Field(min_length=1, max_length=255)
    feature_id: str = Field(min_length=1, max_length=255)
    delta: int = Field(1, ge=1, le=2**31 - 1)
    idempotency_key: str | None = Field(None, min_length=1, max_length=255)


class Consumption(Model):
    used: int
    budget: int | None
    overage_enabled: bool


class RecordedUsage(Model):
    recorded: bool
    reason: str | None
    event_id: str
    duplicate: bool
    consumption: Consumption


def create_app() -> FastAPI:
    usage = Usage()
    app = FastAPI(lifespan=usage.lifespan)

    async def authenticated(authorization: Annotated[str, Header()]) -> int:
        try:
            return await usage.tenant_of(authorization.removeprefix("Bearer "))
        except UnknownKeyError as unknown:
            raise HTTPException(401) from unknown

    @app.post("/v1/usage")
    async def record(tenant_id: Annotated[int, Depends(authenticated)], body: RecordUsage) -> RecordedUsage:
        try:
            recorded = await usage.record(tenant_id, body.user_id, body.feature_id, body.delta, body.idempotency_key)
        except UnknownCounterError as unknown:
            raise HTTPException(404) from unknown
        return _view(recorded)

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
