"""Links that people pay by, as callers ask for them. A worker makes the page at Stripe: see `checkout_making`."""

import hashlib
import json
from datetime import datetime, timedelta
from uuid import uuid4

from sqlmodel import Session

from app import clock, jobs, models
from app.contract.actors import Actor
from app.contract.billing import GenerateSubscriptionLink, SubscriptionLink
from app.db import transaction
from app.domain.billing import BillingTemplateStatus, SubscriptionLinkStatus, customer_id_of, link_id_of
from app.domain.subscribing import check_owes_nothing, check_subscribable
from app.errors import SubscriptionLinkError, SubscriptionLinkNotFoundError, UserNotFoundError
from app.queries import billing as template_queries
from app.queries import checkout_links as queries
from app.queries import packages as package_queries
from app.queries import subscriptions as subscription_queries
from app.queries import users as user_queries

REUSED_UNTIL = timedelta(minutes=30)
"""A page that closes sooner is not given to anybody any more: they need time to pay."""

HURRY_AFTER = timedelta(seconds=5)
"""Whoever asks again for a link that is still PENDING after so long has a worker told once more."""

LOOKED_AT_AFTER = timedelta(minutes=5)
"""Whoever asks again for a link that has been OPEN for so long has a worker look whether it was paid."""


def request_link(actor: Actor, command: GenerateSubscriptionLink) -> SubscriptionLink:
    """A link for a user to pay by: PENDING until a worker has made its page. It is asked for again by the same command.

    While a user's link is OPEN or PENDING, the same wish gets the same link. Without a user each call makes another, because two
    strangers must not share a page.

    Raises:
        UserNotFoundError: there is no user with `user_id`.
        SubscriptionLinkError: there is no such template, or it is not ACTIVE.
        PackageStatusError, SubscriptionError: the package could not be subscribed to now, so nobody may pay for it; or it is a
            base package, and a payment for one is late.
    """
    with transaction() as session:
        user = None
        if command.user_id is not None:
            user = user_queries.locked_user(session, actor.tenant_id, command.user_id)
            if user is None:
                raise UserNotFoundError
        now = clock.now()
        template = _sellable_template(session, actor, command.template_id)
        _check_package(session, actor, template, user, now)
        row = _link_for(session, command, user, template, now)
        return _view(row, command.user_id, command.template_id)


def get_link(actor: Actor, link_id: str) -> SubscriptionLink:
    """Raises SubscriptionLinkNotFoundError."""
    key = link_id_of(link_id)
    with transaction() as session:
        row = None if key is None else queries.link_by_id(session, actor.tenant_id, key)
        if row is None:
            raise SubscriptionLinkNotFoundError
        return view_of(session, row)


def view_of(session: Session, row: models.CheckoutLink) -> SubscriptionLink:
    """As callers and webhook endpoints see it."""
    user_ids = subscription_queries.user_ids(session, row.tenant_id, {row.user_key} if row.user_key else set())
    templates = template_queries.templates_by_key(session, row.tenant_id, [row.template_key])
    return _view(row, user_ids[row.user_key] if row.user_key else None, templates[row.template_key].id)


def have_made(session: Session, row: models.CheckoutLink, now: datetime) -> None:
    """Tell a worker, once this is committed."""
    row.sent_at = now
    jobs.enqueue(session, jobs.MAKE_LINK, row.tenant_id, str(row.id))


def _sellable_template(session: Session, actor: Actor, template_id: str) -> models.BillingTemplate:
    template = template_queries.template_by_id(session, actor.tenant_id, template_id)
    if template is None:
        raise SubscriptionLinkError(f"There is no billing template with the id {template_id!r}.")
    if template.status is not BillingTemplateStatus.ACTIVE or template.price_id is None:
        raise SubscriptionLinkError(f"Billing template {template_id} cannot be sold: it is {template.status}.")
    if template.metered_feature_key is not None:
        raise SubscriptionLinkError(
            f"Billing template {template_id} cannot be sold by itself: its price is for overage, and goes with the other "
            "prices of its package."
        )
    return template


def _check_package(
    session: Session, actor: Actor, template: models.BillingTemplate, user: models.User | None, now: datetime
) -> None:
    """The rules of `subscribe`, before money is asked for."""
    (package,) = package_queries.packages_by_key(session, actor.tenant_id, [template.package_key])
    # Held until the commit, so that no link follows the answer to an archive.
    kept = package_queries.kept_packages(session, actor.tenant_id, [package.id])
    requested = package_queries.sellables(session, actor.tenant_id, list(kept.values()))
    live = subscription_queries.live_subscriptions(session, actor.tenant_id, user.key, now) if user else ()
    check_subscribable(requested, [held.id for _, held in live if not held.is_addon])
    if user is not None:
        check_owes_nothing(requested, subscription_queries.late_base_ids(session, actor.tenant_id, user.key, now))


def _link_for(
    session: Session,
    command: GenerateSubscriptionLink,
    user: models.User | None,
    template: models.BillingTemplate,
    now: datetime,
) -> models.CheckoutLink:
    fingerprint = _fingerprint(command, user, template, template_queries.metered_price_ids(session, template))
    if user is not None:
        found = queries.locked_live_link(session, template.tenant_id, user.key, fingerprint)
        if found is not None and _is_usable(session, found, now):
            return found
    row = models.CheckoutLink(
        tenant_id=template.tenant_id,
        id=uuid4(),
        user_key=user.key if user else None,
        template_key=template.key,
        price_id=template.price_id or "",
        success_url=command.success_url,
        cancel_url=command.cancel_url,
        fingerprint=fingerprint,
        status=SubscriptionLinkStatus.PENDING,
        attempt=1,
        created_at=now,
        updated_at=now,
        sent_at=now,
    )
    session.add(row)
    session.flush()
    have_made(session, row, now)
    return row


def _is_usable(session: Session, row: models.CheckoutLink, now: datetime) -> bool:
    if row.status is SubscriptionLinkStatus.PENDING:
        if row.sent_at <= now - HURRY_AFTER:
            have_made(session, row, now)
        return True
    if row.expires_at is not None and row.expires_at > now + REUSED_UNTIL:
        if row.updated_at <= now - LOOKED_AT_AFTER and (row.look_at is None or row.look_at > now):
            # Somebody who has paid and still comes back may be the one whose payment we were not told of.
            row.look_at = now
            jobs.enqueue(session, jobs.LOOK_AT_LINK, row.tenant_id, str(row.id))
        return True
    # Written before the next one, of which there can be only one with this fingerprint. Whoever pays on it all the same is told
    # by Stripe, not by this row.
    row.status, row.updated_at = SubscriptionLinkStatus.EXPIRED, now
    session.flush()
    return False


def _fingerprint(
    command: GenerateSubscriptionLink,
    user: models.User | None,
    template: models.BillingTemplate,
    metered_price_ids: list[str],
) -> str:
    # A hash, because two URLs may be longer than what an index takes.
    wish = [
        user and user.key,
        # On a page for nobody they would become a second customer, and on one for a customer who is gone nobody can pay.
        user and customer_id_of(user.billing_id),
        template.key,
        template.price_id,
        command.success_url,
        command.cancel_url,
        *metered_price_ids,
    ]
    return hashlib.sha256(json.dumps(wish).encode()).hexdigest()


def _view(row: models.CheckoutLink, user_id: str | None, template_id: str) -> SubscriptionLink:
    return SubscriptionLink(
        id=str(row.id),
        url=row.url,
        status=row.status,
        error=row.error,
        user_id=user_id,
        template_id=template_id,
        created_at=clock.to_wire(row.created_at),
        expires_at=clock.to_wire(row.expires_at) if row.expires_at else None,
    )
