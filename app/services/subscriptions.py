"""Subscriptions: made, changed and cancelled under the user's lock, so that two calls at once act one after the other."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from app import clock, models
from app.contract.actors import Actor
from app.contract.shapes import Page, PageRequest
from app.contract.subscriptions import CancelSubscription, ChangeSubscription, Subscribe, Subscription
from app.db import transaction
from app.domain.subscribing import (
    LIVE_STATUSES,
    SubscriptionStatus,
    check_changeable,
    check_subscribable,
    end_of_paid_period,
)
from app.domain.values import check_id
from app.errors import PackageNotFoundError, SubscriptionError, SubscriptionNotFoundError, UserNotFoundError
from app.queries import packages as package_queries
from app.queries import subscriptions as queries
from app.queries import users as user_queries
from app.services.changes import stored_metadata
from app.services.package_views import views_of as package_views
from app.services.paging import key_after
from app.services.row_ids import number_of


def subscribe(actor: Actor, command: Subscribe) -> list[Subscription]:
    """Subscribe a user to all of the packages or to none, in the order of `package_ids`.

    Raises:
        UserNotFoundError, PackageNotFoundError: an id that this tenant does not have.
        PackageStatusError: a package that is not PUBLISHED.
        SubscriptionError: a second base, an add-on without a base, or one that does not go with the base.
    """
    with transaction() as session:
        user = user_queries.locked_user(session, actor.tenant_id, command.user_id)
        if user is None:
            raise UserNotFoundError
        packages = _kept_packages(session, actor, command.package_ids)
        now = clock.now()
        live = queries.live_subscriptions(session, actor.tenant_id, user.key, now)
        check_subscribable(
            package_queries.sellables(session, actor.tenant_id, packages),
            [package.id for _, package in live if not package.is_addon],
        )
        # An add-on never outlives its base: one that is bought on a base already cancelled ends with it.
        addons_end_at = next((held.ends_at for held, package in live if not package.is_addon), None)
        rows = [
            _new_subscription(
                actor, user.key, package, command.metadata, now, addons_end_at if package.is_addon else None
            )
            for package in packages
        ]
        # One by one, so that the ids grow in the order asked for.
        for row in rows:
            session.add(row)
            session.flush()
        return _views(session, actor, rows)


def cancel_subscription(actor: Actor, subscription_id: str, command: CancelSubscription) -> Subscription:
    """End a subscription now or when its running period ends; a base takes the user's add-ons with it.

    An earlier end is never put off, and one that is over stays as it is: a repeat changes nothing.

    Raises:
        SubscriptionNotFoundError: there is none with this id.
    """
    with transaction() as session:
        row = _locked(session, actor, subscription_id)
        now = clock.now()
        if _is_live(row, now):
            ends_at = _end_of_period(session, row, now) if command.at_period_end else now
            for ending in _ending_with(session, row, now):
                _end(ending, min(ends_at, ending.ends_at or ends_at), now)
            session.flush()
        return _views(session, actor, [row])[0]


def change_subscription(actor: Actor, subscription_id: str, command: ChangeSubscription) -> Subscription:
    """Swap the base package in one step. Id and start stay, so periods and usage go on; a repeat changes nothing.

    Raises:
        SubscriptionNotFoundError, PackageNotFoundError: an id that this tenant does not have.
        PackageStatusError: the new package is not PUBLISHED.
        SubscriptionError: the subscription is over or to an add-on, the new package is an add-on, or one of the user's
            add-ons does not go with it.
    """
    with transaction() as session:
        row = _locked(session, actor, subscription_id)
        now = clock.now()
        live = queries.live_subscriptions(session, actor.tenant_id, row.user_key, now)
        present = next((package for subscription, package in live if subscription.id == row.id), None)
        if present is None:
            raise SubscriptionError(f"Cannot change subscription {subscription_id}: it is over.")
        if present.is_addon:
            raise SubscriptionError(f"Cannot change subscription {subscription_id}: it is to an add-on, not a base.")
        package = _kept_packages(session, actor, [command.package_id])[0]
        if package.key != row.package_key:
            addons = [package for _, package in live if package.is_addon]
            new_base, *held_addons = package_queries.sellables(session, actor.tenant_id, [package, *addons])
            check_changeable(new_base, held_addons)
            row.package_key, row.updated_at = package.key, now
            session.flush()
        return _views(session, actor, [row])[0]


def get_subscription(actor: Actor, subscription_id: str) -> Subscription:
    """Raises SubscriptionNotFoundError."""
    with transaction() as session:
        return _views(session, actor, [_found(session, actor, subscription_id)])[0]


def list_subscriptions(actor: Actor, page: PageRequest, user_id: str | None) -> Page[Subscription]:
    """All or one user's, cancelled ones too, oldest first.

    Raises:
        UserNotFoundError: there is no user with `user_id`.
        InvalidInputError: the page starts after an unknown id, or `user_id` is no id.
    """
    if user_id is not None:
        check_id("userId", user_id)
    with transaction() as session:
        user_key = None
        if user_id is not None:
            user = user_queries.user_by_id(session, actor.tenant_id, user_id)
            if user is None:
                raise UserNotFoundError
            user_key = user.key
        after = key_after(page.starting_after, lambda id_: _key_of(session, actor, id_))
        rows, has_more = queries.subscriptions_page(session, actor.tenant_id, user_key, after, page.limit)
        return Page(data=_views(session, actor, rows), has_more=has_more)


def _new_subscription(
    actor: Actor,
    user_key: int,
    package: models.Package,
    metadata: object,
    now: datetime,
    ends_at: datetime | None,
) -> models.Subscription:
    return models.Subscription(
        tenant_id=actor.tenant_id,
        user_key=user_key,
        package_key=package.key,
        status=SubscriptionStatus.ACTIVE,
        started_at=now,
        ends_at=ends_at,
        metadata_=stored_metadata(metadata),
        created_at=now,
        updated_at=now,
    )


def _kept_packages(session: Session, actor: Actor, package_ids: Sequence[str]) -> list[models.Package]:
    found = package_queries.kept_packages(session, actor.tenant_id, package_ids)
    if len(found) < len(package_ids):
        raise PackageNotFoundError
    return [found[package_id] for package_id in package_ids]


def _found(session: Session, actor: Actor, subscription_id: str) -> models.Subscription:
    number = number_of(subscription_id)
    row = None if number is None else queries.subscription_by_id(session, actor.tenant_id, number)
    if row is None:
        raise SubscriptionNotFoundError
    return row


def _locked(session: Session, actor: Actor, subscription_id: str) -> models.Subscription:
    """The subscription as it is once its user's lock is ours: what was read before may have changed while we waited."""
    user_key = _found(session, actor, subscription_id).user_key
    user_queries.locked_user_by_key(session, actor.tenant_id, user_key)
    return _found(session, actor, subscription_id)


def _is_live(row: models.Subscription, now: datetime) -> bool:
    return row.status in LIVE_STATUSES and (row.ends_at is None or row.ends_at > now)


def _end_of_period(session: Session, row: models.Subscription, now: datetime) -> datetime:
    units = queries.reset_periods_of(session, row.tenant_id, row.package_key)
    return end_of_paid_period(row.started_at, units, now)


def _ending_with(session: Session, row: models.Subscription, now: datetime) -> list[models.Subscription]:
    """The subscription itself and, if it is to a base package, the user's live add-ons."""
    live = queries.live_subscriptions(session, row.tenant_id, row.user_key, now)
    is_addon = any(package.is_addon for subscription, package in live if subscription.id == row.id)
    addons = [] if is_addon else [subscription for subscription, package in live if package.is_addon]
    return [row, *addons]


def _end(row: models.Subscription, ends_at: datetime, now: datetime) -> None:
    row.ends_at, row.updated_at = ends_at, now
    if ends_at <= now:
        row.status = SubscriptionStatus.CANCELLED


def _views(session: Session, actor: Actor, rows: Sequence[models.Subscription]) -> list[Subscription]:
    now = clock.now()
    user_ids = queries.user_ids(session, actor.tenant_id, {row.user_key for row in rows})
    packages = package_queries.packages_by_key(session, actor.tenant_id, {row.package_key for row in rows})
    views = package_views(session, actor.tenant_id, packages)
    package_by_key = {package.key: view for package, view in zip(packages, views, strict=True)}
    return [
        Subscription(
            id=str(row.id),
            user_id=user_ids[row.user_key],
            status=SubscriptionStatus.CANCELLED if _is_over(row, now) else row.status,
            started_at=clock.to_wire(row.started_at),
            ends_at=None if row.ends_at is None else clock.to_wire(row.ends_at),
            metadata=row.metadata_,
            package=package_by_key[row.package_key],
        )
        for row in rows
    ]


def _is_over(row: models.Subscription, now: datetime) -> bool:
    return row.ends_at is not None and row.ends_at <= now


def _key_of(session: Session, actor: Actor, subscription_id: str) -> int | None:
    number = number_of(subscription_id)
    row = None if number is None else queries.subscription_by_id(session, actor.tenant_id, number)
    return row.id if row else None
