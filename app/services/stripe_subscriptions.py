"""Subscriptions of Stripe's are copied: one local subscription for each item, which is to the package that its price is for.

What is copied is what Stripe says when it is asked, so the order in which events come does not matter, nor does how often.
"""

from collections.abc import Callable
from enum import Enum, auto

import structlog
from sqlmodel import Session

from app.db import transaction
from app.domain import billing_tags
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingUnavailableError
from app.gateways.billing_shapes import Customer, Metadata, ProviderSubscription
from app.queries import stripe_copies as queries
from app.services.checkout_tags import link_of
from app.services.stripe_copying import write_copy
from app.services.stripe_owners import Bought, locked_owner, tenant_of

log = structlog.get_logger(__name__)

_LOOKS = 5
_BEGUN_LATER = 2
NO_TAGS: Metadata = {}


class _Outcome(Enum):
    COPIED = auto()
    NOT_OURS = auto()
    UNKNOWN_BUYER = auto()
    OUTDATED = auto()
    """Somebody else has copied it since we looked."""


def _nothing(_session: Session) -> None:
    """For those who have nothing more to write."""


def copy_subscription(
    gateway: BillingGateway,
    subscription_id: str,
    tags: Metadata = NO_TAGS,
    when_written: Callable[[Session], None] = _nothing,
) -> bool:
    """Bring our copy of a subscription up to date; whether it is ours. `tags`: metadata of ours that is known from elsewhere.

    `when_written` is called in the transaction that writes the copy, before anybody is told; never, if others have written it.

    No lock is held while Stripe is asked. Who finds that somebody else has copied it meanwhile looks again, so what is written
    is never older than what was written before. If it was copied twice meanwhile, the second copy was begun after this call, and
    holds all that this one could bring.

    Raises:
        BillingError: Stripe does not answer, or does not know it.
        OverloadedError: the database is busy or away.
    """
    customer: Customer | None = None
    first = version = _version(subscription_id)
    for _ in range(_LOOKS):
        found = gateway.subscription(subscription_id)
        known = {**tags, **found.metadata}
        outcome = _write(found, known, customer, version, when_written)
        if outcome is _Outcome.UNKNOWN_BUYER:
            if billing_tags.LINK not in known:
                tags = {**tags, **_tags_of_link(gateway, subscription_id)}
            customer = gateway.customer(found.customer_id)
        elif outcome is not _Outcome.OUTDATED:
            return outcome is _Outcome.COPIED
        version = _version(subscription_id)
        if version >= first + _BEGUN_LATER:
            return True
    raise BillingUnavailableError(f"subscription {subscription_id} keeps changing")


def _tags_of_link(gateway: BillingGateway, subscription_id: str) -> Metadata:
    """Before a user is made: our link knows the buyer of its page, even if page and subscription both lost their tags."""
    links = (link_of(each) for each in gateway.checkout_sessions(subscription_id=subscription_id).items)
    return next((link.tags for link in links if link), NO_TAGS)


def _version(subscription_id: str) -> int:
    with transaction() as session:
        return queries.version(session, subscription_id)


def _write(
    found: ProviderSubscription,
    tags: Metadata,
    customer: Customer | None,
    version: int,
    when_written: Callable[[Session], None],
) -> _Outcome:
    bought = Bought(found.id, found.live, found.customer_id, frozenset(item.price.id for item in found.items), tags)
    with transaction() as session:
        tenant_id = tenant_of(session, bought)
        if tenant_id is None:
            log.info("stripe.not_ours", subscription_id=found.id, is_live=found.live)
            return _Outcome.NOT_OURS
        if queries.locked_version(session, found.id) != version:
            return _Outcome.OUTDATED
        owner = locked_owner(session, tenant_id, bought, customer)
        if owner is None:
            return _Outcome.UNKNOWN_BUYER
        write_copy(session, owner, found, tags, when_written)
        queries.note_copied(session, found.id)
        return _Outcome.COPIED
