"""Waiting for a link to the customer portal: a worker makes it while the caller waits."""

from app.contract.actors import Actor
from app.contract.billing import GeneratePortalLink, PortalLink
from app.domain.billing import PortalLinkStatus
from app.edge.threads import in_thread
from app.edge.waiting import seen_later
from app.errors import OverloadedError, PortalLinkError
from app.services.portal_links import request_portal_link, take_portal_link


async def generate_portal_link(actor: Actor, user_id: str, command: GeneratePortalLink) -> PortalLink:
    """The link.

    Raises:
        PortalLinkError: Stripe will not do it, and why; or what `request_portal_link` raises.
        OverloadedError: it is not made within SUBSCRIPTION_LINK_WAIT_SECONDS.
    """
    asked = await in_thread(request_portal_link, actor, user_id, command)
    if asked.status is PortalLinkStatus.OPEN:
        asked = await in_thread(take_portal_link, actor, asked.id)
    link = await seen_later(
        asked,
        lambda: in_thread(take_portal_link, actor, asked.id),
        lambda seen: seen.status is not PortalLinkStatus.PENDING,
    )
    if link.status is PortalLinkStatus.FAILED:
        raise PortalLinkError(link.error or "The link could not be made.")
    if link.url is None:
        raise OverloadedError(
            "The link is still being made. Ask again in a moment: the same call finds it.", nothing_done=False
        )
    return PortalLink(url=link.url)
