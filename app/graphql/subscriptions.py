"""Subscriptions over GraphQL."""

from functools import partial
from typing import Any

from app.contract.actors import Actor
from app.contract.packages import Package
from app.contract.shapes import build
from app.contract.subscriptions import CancelSubscription, ChangeSubscription, Subscribe, Subscription
from app.edge.subscriptions import cancel_subscription, change_subscription
from app.edge.threads import in_thread
from app.errors import InvalidInputError
from app.graphql.arguments import listed
from app.graphql.context import Context
from app.graphql.engine import resolver
from app.graphql.loaders import Loaders
from app.services import subscriptions

Request = Context[Actor, Loaders]


def register(schema_name: str) -> None:
    @resolver(schema_name, "Query.subscription")
    async def subscription(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Subscription:
        return await in_thread(subscriptions.get_subscription, context.actor, arguments["id"])

    @resolver(schema_name, "Query.subscriptions")
    async def all_subscriptions(
        _parent: None, arguments: dict[str, Any], context: Request, _info: object
    ) -> list[Subscription]:
        read = partial(subscriptions.list_subscriptions, context.actor, user_id=arguments.get("userId"))
        return await listed(read, arguments)

    @resolver(schema_name, "Mutation.subscribe")
    async def subscribe(
        _parent: None, arguments: dict[str, Any], context: Request, _info: object
    ) -> list[Subscription]:
        return await in_thread(subscriptions.subscribe, context.actor, build(Subscribe, with_package_ids(arguments)))

    @resolver(schema_name, "Mutation.cancelSubscription")
    async def cancel(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Subscription:
        command = CancelSubscription(at_period_end=bool(arguments.get("atPeriodEnd")))
        return await cancel_subscription(context.actor, arguments["id"], command)

    @resolver(schema_name, "Mutation.changeSubscription")
    async def change(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Subscription:
        asked = {"packageId": arguments["packageId"], "atPeriodEnd": bool(arguments.get("atPeriodEnd"))}
        command = build(ChangeSubscription, asked)
        return await change_subscription(context.actor, arguments["id"], command)

    @resolver(schema_name, "PackageSubscription.plan")
    async def plan(parent: Subscription, _arguments: object, _context: Request, _info: object) -> Package:
        return parent.package


def with_package_ids(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `subscribe` with the packages under their present name.

    Raises:
        InvalidInputError: none are named, or under both names.
    """
    rest = {name: value for name, value in arguments.items() if name not in ("packageIds", "planIds")}
    given = [arguments[name] for name in ("packageIds", "planIds") if arguments.get(name) is not None]
    if len(given) != 1:
        raise InvalidInputError("packageIds", "is required" if not given else "must not be given together with planIds")
    return {**rest, "packageIds": given[0]}
