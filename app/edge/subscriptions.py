"""Waiting for Stripe to cancel or change what it bills: a worker asks it while the caller waits."""

from app.contract.actors import Actor
from app.contract.subscriptions import CancelSubscription, ChangeSubscription, Subscription
from app.domain.subscription_requests import RequestStatus
from app.edge.threads import in_thread
from app.edge.waiting import seen_later
from app.errors import SubscriptionError
from app.services import subscriptions


async def cancel_subscription(actor: Actor, subscription_id: str, command: CancelSubscription) -> Subscription:
    """The subscription, cancelled; or as it is, if Stripe has not done it within SUBSCRIPTION_LINK_WAIT_SECONDS.

    Raises:
        SubscriptionError: Stripe will not do it, and why; or what the service raises.
    """
    return await _done(actor, await in_thread(subscriptions.cancel_subscription, actor, subscription_id, command))


async def change_subscription(actor: Actor, subscription_id: str, command: ChangeSubscription) -> Subscription:
    """The subscription, changed; or as it is, if Stripe has not done it within SUBSCRIPTION_LINK_WAIT_SECONDS.

    Raises:
        SubscriptionError: Stripe will not do it, and why; or what the service raises.
    """
    return await _done(actor, await in_thread(subscriptions.change_subscription, actor, subscription_id, command))


def is_on_its_way(subscription: Subscription) -> bool:
    """Whether Stripe has still to answer."""
    request = subscription.last_request
    return request is not None and request.status is RequestStatus.PENDING


async def _done(actor: Actor, asked: Subscription) -> Subscription:
    if not is_on_its_way(asked):
        return asked
    found = await seen_later(
        asked,
        lambda: in_thread(subscriptions.get_subscription, actor, asked.id),
        lambda seen: not is_on_its_way(seen),
    )
    if found.last_request is not None and found.last_request.status is RequestStatus.REFUSED:
        raise SubscriptionError(found.last_request.error or "Stripe does not do it.")
    return found
