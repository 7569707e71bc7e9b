"""Reservations over GraphQL."""

from typing import Any

from app.contract.actors import Actor
from app.contract.reservations import CommitReservation, Reservation, ReservedUsage, ReserveUsage
from app.contract.shapes import build
from app.contract.usage import RecordedUsage
from app.edge.threads import in_thread
from app.graphql.arguments import given
from app.graphql.context import Context
from app.graphql.engine import resolver
from app.graphql.loaders import Loaders
from app.services import reservations

Request = Context[Actor, Loaders]


def register(schema_name: str) -> None:
    @resolver(schema_name, "Query.reservation")
    async def reservation(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Reservation:
        return await in_thread(reservations.get_reservation, context.actor, arguments["id"])

    @resolver(schema_name, "Mutation.reserveUsage")
    async def reserve(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> ReservedUsage:
        command = build(ReserveUsage, given(arguments))
        return await in_thread(reservations.reserve_usage, context.actor, command)

    @resolver(schema_name, "Mutation.commitReservation")
    async def commit(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> RecordedUsage:
        command = build(CommitReservation, {"delta": arguments.get("delta")})
        return await in_thread(reservations.commit_reservation, context.actor, arguments["id"], command)

    @resolver(schema_name, "Mutation.releaseReservation")
    async def release(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Reservation:
        return await in_thread(reservations.release_reservation, context.actor, arguments["id"])
