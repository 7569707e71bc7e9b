"""Waiting for a link to pay by: a worker makes it while the caller waits, and nobody else does."""

from app.contract.actors import Actor
from app.contract.billing import GenerateSubscriptionLink, SubscriptionLink
from app.domain.billing import SubscriptionLinkStatus
from app.edge.threads import in_thread
from app.edge.waiting import seen_later
from app.errors import SubscriptionLinkError
from app.services.checkout_links import get_link, request_link


async def generate_link(actor: Actor, command: GenerateSubscriptionLink) -> SubscriptionLink:
    """The link, OPEN; or PENDING if that is not so within SUBSCRIPTION_LINK_WAIT_SECONDS.

    Raises:
        SubscriptionLinkError: Stripe will not do it, and why; or what `request_link` raises.
    """
    asked = await in_thread(request_link, actor, command)
    link = await seen_later(
        asked,
        lambda: in_thread(get_link, actor, asked.id),
        lambda seen: seen.status is not SubscriptionLinkStatus.PENDING,
    )
    if link.status in (SubscriptionLinkStatus.FAILED, SubscriptionLinkStatus.EXPIRED):
        raise SubscriptionLinkError(link.error or "The link could not be made.")
    return link
