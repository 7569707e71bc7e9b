"""The ledger over GraphQL: event by event, and as a series."""

from functools import partial
from typing import Any

from app.contract.actors import Actor
from app.contract.shapes import build
from app.contract.usage_history import ReadUsageSeries, UsageEvent, UsageSeries
from app.edge.threads import in_thread
from app.graphql.arguments import newest
from app.graphql.context import Context
from app.graphql.engine import resolver
from app.graphql.loaders import Loaders
from app.services import usage_history

Request = Context[Actor, Loaders]


def register(schema_name: str) -> None:
    @resolver(schema_name, "Query.usageEvent")
    async def event(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> UsageEvent:
        return await in_thread(usage_history.get_usage_event, context.actor, arguments["id"])

    @resolver(schema_name, "Query.usageEvents")
    async def events(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> list[UsageEvent]:
        of_pair = {"user_id": arguments["userId"], "feature_id": arguments["featureId"]}
        return await newest(partial(usage_history.list_usage_events, context.actor, **of_pair), arguments)

    @resolver(schema_name, "Query.usageSeries")
    async def series(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> UsageSeries:
        return await in_thread(usage_history.usage_series, context.actor, build(ReadUsageSeries, arguments))
