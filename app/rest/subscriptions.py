"""Subscriptions over REST."""

from typing import Annotated, Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody, QueryParameter
from litestar.status_codes import HTTP_202_ACCEPTED

from app.contract.actors import Actor
from app.contract.shapes import Page, PageRequest, View
from app.contract.subscriptions import CancelSubscription, ChangeSubscription, Subscribe, Subscription
from app.edge.subscriptions import cancel_subscription, change_subscription, is_on_its_way
from app.edge.threads import in_thread
from app.rest.parameters import SubscriptionId
from app.rest.paths import PREFIX
from app.rest.problems import read_problems, write_problems
from app.services import subscriptions


class Subscribed(View):
    """What one call made, in the order of `packageIds`."""

    data: list[Subscription]


async def _accepted_or_done(response: Response[Any]) -> Response[Any]:
    """202 and where to look, while Stripe has still to answer."""
    subscription: Subscription = response.content
    response.headers.setdefault("Cache-Control", "no-store")
    if is_on_its_way(subscription):
        response.status_code = HTTP_202_ACCEPTED
        response.headers["Location"] = f"{PREFIX}{Subscriptions.path}/{subscription.id}"
    return response


_ACCEPTED = {HTTP_202_ACCEPTED: ResponseSpec(data_container=Subscription, generate_examples=False)}


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
        responses=_ACCEPTED | write_problems(404, 409),
        status_code=200,
        after_request=_accepted_or_done,
    )
    async def cancel(
        self,
        actor: NamedDependency[Actor],
        subscription_id: SubscriptionId,
        data: JSONBody[CancelSubscription | None] = None,
    ) -> Subscription:
        """Now, which needs no body, or when the running period ends. A base package takes the user's add-ons with it.

        202 while Stripe has still to answer about one that it bills: look at `Location` in a moment.
        """
        return await cancel_subscription(actor, subscription_id, data or CancelSubscription())

    @post(
        "/{subscriptionId:str}/change",
        operation_id="changeSubscription",
        summary="Change a subscription's base package",
        responses=_ACCEPTED | write_problems(404, 409),
        status_code=200,
        after_request=_accepted_or_done,
    )
    async def change(
        self, actor: NamedDependency[Actor], subscription_id: SubscriptionId, data: JSONBody[ChangeSubscription]
    ) -> Subscription:
        """Now or, with `atPeriodEnd`, when the running period ends. Id, start, periods and usage go on.

        202 while Stripe has still to answer about one that it bills: look at `Location` in a moment.
        """
        return await change_subscription(actor, subscription_id, data)
