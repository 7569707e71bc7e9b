"""Waiting for a link to pay by: a worker makes it while the caller waits, and nobody else does."""

import asyncio
import time
from typing import Final

from app.contract.actors import Actor
from app.contract.billing import GenerateSubscriptionLink, SubscriptionLink
from app.domain.billing import SubscriptionLinkStatus
from app.edge.threads import in_thread
from app.errors import SubscriptionLinkError
from app.services.checkout_links import get_link, request_link
from app.settings import settings

_LOOK_SECONDS: Final = 0.05
# While Stripe is slow many may be waiting, and their looks must not take the threads that others need.
_SLOWER: Final = 1.5
_LOOK_SECONDS_MAX: Final = 0.5


async def generate_link(actor: Actor, command: GenerateSubscriptionLink) -> SubscriptionLink:
    """The link, OPEN; or PENDING if that is not so within SUBSCRIPTION_LINK_WAIT_SECONDS.

    Raises:
        SubscriptionLinkError: Stripe will not do it, and why; or what `request_link` raises.
    """
    until = time.monotonic() + settings().subscription_link_wait_seconds
    link = await in_thread(request_link, actor, command)
    pause = _LOOK_SECONDS
    while link.status is SubscriptionLinkStatus.PENDING and (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(pause, left))
        pause = min(pause * _SLOWER, _LOOK_SECONDS_MAX)
        link = await in_thread(get_link, actor, link.id)
    if link.status in (SubscriptionLinkStatus.FAILED, SubscriptionLinkStatus.EXPIRED):
        raise SubscriptionLinkError(link.error or "The link could not be made.")
    return link
