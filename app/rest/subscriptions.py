"""Subscriptions over REST."""

from typing import Annotated

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from app.contract.actors import Actor
from app.contract.shapes import Page, PageRequest, View
from app.contract.subscriptions import CancelSubscription, ChangeSubscription, Subscribe, Subscription
from app.edge.threads import in_thread
from app.rest.parameters import SubscriptionId
from app.rest.problems import read_problems, write_problems
from app.services import subscriptions


class Subscribed(View):
    """What one call made, in the order of `packageIds`."""

    data: list[Subscription]


class Subscriptions(Controller):
    path = "/subscriptions"
    tags = ("Subscriptions",)

    @post(operation_id="subscribe", summary="Subscribe a user to packages", responses=write_problems(404, 409))
    async def create(self, actor: NamedDependency[Actor], data: JSONBody[Subscribe]) -> Subscribed:
        """To all of the packages or to none. All must be PUBLISHED, and at most one a base package."""
        return Subscribed(data=await in_thread(subscriptions.subscribe, actor, data))

    @get(operation_id="subscriptions", summary="List subscriptions", responses=read_problems(404))
    async def list_page(
        self,
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        user_id: Annotated[str | None, QueryParameter(name="userId", description="Only this user's.")] = None,
    ) -> Page[Subscription]:
        """All subscriptions or one user's, oldest first, cancelled ones too, in pages."""
        return await in_thread(subscriptions.list_subscriptions, actor, page, user_id)

    @get(
        "/{subscriptionId:str}", operation_id="subscription", summary="Get a subscription", responses=read_problems(404)
    )
    async def read(self, actor: NamedDependency[Actor], subscription_id: SubscriptionId) -> Subscription:
        """One subscription, whatever its status."""
        return await in_thread(subscriptions.get_subscription, actor, subscription_id)

    @post(
        "/{subscriptionId:str}/cancel",
        operation_id="cancelSubscription",
        summary="Cancel a subscription",
        responses=write_problems(404, 409),
        status_code=200,
    )
    async def cancel(
        self,
        actor: NamedDependency[Actor],
        subscription_id: SubscriptionId,
        data: JSONBody[CancelSubscription | None] = None,
    ) -> Subscription:
        """Now, which needs no body, or when the running period ends. A base package takes the user's add-ons with it."""
        command = data or CancelSubscription()
        return await in_thread(subscriptions.cancel_subscription, actor, subscription_id, command)

    @post(
        "/{subscriptionId:str}/change",
        operation_id="changeSubscription",
        summary="Change a subscription's base package",
        responses=write_problems(404, 409),
        status_code=200,
    )
    async def change(
        self, actor: NamedDependency[Actor], subscription_id: SubscriptionId, data: JSONBody[ChangeSubscription]
    ) -> Subscription:
        """Now or, with `atPeriodEnd`, when the running period ends. Id, start, periods and usage go on."""
        return await in_thread(subscriptions.change_subscription, actor, subscription_id, data)
