"""Usage and access over GraphQL."""

import re
from typing import Any

from app.contract.actors import Actor
from app.contract.packages import Package
from app.contract.shapes import build
from app.contract.usage import (
    CheckAccess,
    Entitlement,
    RecordedUsage,
    RecordedUsages,
    RecordUsage,
    RecordUsages,
    ShowUsage,
)
from app.edge import coalesce
from app.edge.threads import in_thread
from app.errors import InvalidInputError
from app.graphql.arguments import given
from app.graphql.context import Context
from app.graphql.engine import resolver
from app.graphql.loaders import Loaders
from app.services import batches, entitlements, reverts

Request = Context[Actor, Loaders]


def register(schema_name: str) -> None:
    @resolver(schema_name, "Mutation.recordUsage")
    async def record(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> RecordedUsage:
        return await coalesce.record_usage(context.actor, build(RecordUsage, given(arguments["input"])))

    @resolver(schema_name, "Mutation.recordUsages")
    async def record_many(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> RecordedUsages:
        return await in_thread(batches.record_batch, context.actor, batch_of(arguments))

    @resolver(schema_name, "Mutation.revertUsage")
    async def revert(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> RecordedUsage:
        return await in_thread(reverts.revert_usage, context.actor, arguments["eventId"])

    @resolver(schema_name, "Mutation.createUsageEvent")
    async def create_event(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> bool:
        answer = await coalesce.record_usage(context.actor, build(RecordUsage, given(arguments["input"])))
        return answer.recorded

    @resolver(schema_name, "Query.canUseFeature")
    async def can_use(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Entitlement:
        return await coalesce.check_access(context.actor, build(CheckAccess, given(arguments)))

    @resolver(schema_name, "Query.showUsage")
    async def show(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> ShowUsage:
        return await in_thread(entitlements.show_usage, context.actor, arguments["userId"], arguments["featureId"])

    @resolver(schema_name, "CanUseFeatureData.data")
    async def again(parent: Entitlement, _arguments: object, _context: Request, _info: object) -> Entitlement:
        return parent

    @resolver(schema_name, "CanUseFeatureData.package", parent_concurrently=True)
    @resolver(schema_name, "Entitlement.package", parent_concurrently=True)
    async def package(parent: Entitlement, _arguments: object, context: Request, _info: object) -> Package | None:
        return await context.loaders.package(parent.package_id) if parent.package_id is not None else None


def batch_of(arguments: dict[str, Any]) -> RecordUsages:
    """The batch that the arguments ask for.

    Raises:
        InvalidInputError: an event breaks a rule; `field` is its path, under the name that the list has here.
    """
    asked = {"events": [given(event) for event in arguments["input"]]}
    try:
        return build(RecordUsages, asked | given({"allOrNothing": arguments.get("allOrNothing")}))
    except InvalidInputError as refusal:
        raise InvalidInputError(re.sub("^events", "input", refusal.field), refusal.problem) from None
