"""Links to the customer portal, as callers ask for them. A worker makes the page at Stripe: see `portal_making`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlmodel import Session

from app import clock, jobs, models
from app.contract.actors import Actor
from app.contract.billing import GeneratePortalLink
from app.db import transaction
from app.domain.billing import CUSTOMER_PREFIX, PortalLinkStatus, customer_id_of
from app.domain.values import check_id
from app.errors import PortalLinkError, UserNotFoundError
from app.queries import portal_links as queries
from app.queries.users import locked_user

KEPT = timedelta(minutes=1)
"""Callers wait for less. Stripe's pages are for the next minutes, and are not to be found in a backup."""

HURRY_AFTER = timedelta(seconds=5)
"""Whoever asks again for one that is still PENDING after so long has a worker told once more."""


@dataclass(frozen=True, slots=True)
class AskedPortalLink:
    """`url` is there when it is OPEN or TAKEN, `error` when it is FAILED."""

    id: UUID
    status: PortalLinkStatus
    url: str | None
    error: str | None


def request_portal_link(actor: Actor, user_id: str, command: GeneratePortalLink) -> AskedPortalLink:
    """A link for a user: PENDING until a worker has made its page. One that nobody has got yet is found by the same command.

    Raises:
        UserNotFoundError: there is no such user.
        PortalLinkError: the user is no customer at Stripe.
    """
    check_id("userId", user_id)
    with transaction() as session:
        user = locked_user(session, actor.tenant_id, user_id)
        if user is None:
            raise UserNotFoundError
        if customer_id_of(user.billing_id) is None:
            raise PortalLinkError(
                f"User {user_id} is no customer at Stripe: billingId must begin with {CUSTOMER_PREFIX}, and is set when they buy."
            )
        now = clock.now()
        row = queries.locked_untaken(session, actor.tenant_id, user.key, command.return_url, now - KEPT)
        if row is None:
            row = _new(session, user, command.return_url, now)
        elif row.status is PortalLinkStatus.PENDING and row.sent_at <= now - HURRY_AFTER:
            _have_made(session, row, now)
        return _seen(row)


def take_portal_link(actor: Actor, link_id: UUID) -> AskedPortalLink:
    """How far it is. Once it was seen OPEN, nobody who asks later gets it.

    Raises:
        PortalLinkError: it was dropped.
    """
    with transaction() as session:
        row = queries.locked_portal_link(session, actor.tenant_id, link_id)
        if row is None:
            raise PortalLinkError("The link was not made in time. Ask again.")
        if row.status is PortalLinkStatus.OPEN:
            row.status = PortalLinkStatus.TAKEN
        return _seen(row)


def _new(session: Session, user: models.User, return_url: str, now: datetime) -> models.PortalLink:
    row = models.PortalLink(
        tenant_id=user.tenant_id,
        id=uuid4(),
        user_key=user.key,
        return_url=return_url,
        status=PortalLinkStatus.PENDING,
        created_at=now,
        sent_at=now,
    )
    session.add(row)
    _have_made(session, row, now)
    return row


def _have_made(session: Session, row: models.PortalLink, now: datetime) -> None:
    row.sent_at = now
    session.flush()
    jobs.enqueue(session, jobs.MAKE_PORTAL_LINK, row.tenant_id, str(row.id))


def _seen(row: models.PortalLink) -> AskedPortalLink:
    return AskedPortalLink(row.id, row.status, row.url, row.error)
