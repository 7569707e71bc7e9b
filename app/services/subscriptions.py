"""Subscriptions: made, changed and cancelled under the user's lock, so that two calls at once act one after the other."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import Session

from app import clock, models
from app.contract.actors import Actor
from app.contract.shapes import Page, PageRequest
from app.contract.subscriptions import CancelSubscription, ChangeSubscription, Subscribe, Subscription
from app.db import transaction
from app.domain.subscribing import (
    SubscriptionStatus,
    check_changeable,
    check_subscribable,
)
from app.domain.subscription_dates import is_finished, is_live
from app.domain.values import check_id
from app.domain.webhooks import WebhookEventType
from app.errors import PackageNotFoundError, SubscriptionError, SubscriptionNotFoundError, UserNotFoundError
from app.queries import packages as package_queries
from app.queries import subscriptions as queries
from app.queries import users as user_queries
from app.services.changes import stored_metadata
from app.services.paging import key_after
from app.services.row_ids import number_of
from app.services.subscription_dates import change_package, settle
from app.services.subscription_endings import end_here, end_of_period
from app.services.subscription_news import announce
from app.services.subscription_requests import check_changeable_where_billed, is_billed, request_cancel, request_change
from app.services.subscription_views import views_of
from app.settings import settings

CREATED, UPDATED = WebhookEventType.SUBSCRIPTION_CREATED, WebhookEventType.SUBSCRIPTION_UPDATED


def subscribe(actor: Actor, command: Subscribe) -> list[Subscription]:
    """Subscribe a user to all of the packages or to none, in the order of `package_ids`.

    What a trial becomes at its end is fixed here, by the setting of now.

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
        base_ends_at = next((held.ends_at for held, package in live if not package.is_addon), None)
        rows = [
            _new_subscription(actor, user.key, package, command, now, base_ends_at if package.is_addon else None)
            for package in packages
        ]
        # One by one, so that the ids grow in the order asked for.
        for row in rows:
            session.add(row)
            session.flush()
        announce(session, actor.tenant_id, [(CREATED, row) for row in rows], now)
        return views_of(session, actor.tenant_id, rows, now)


def cancel_subscription(actor: Actor, subscription_id: str, command: CancelSubscription) -> Subscription:
    """End a subscription now or when its running period ends; a base takes the user's add-ons with it.

    An earlier end is never put off, and one that is over stays as it is: a repeat changes nothing. A change of package that
    was to come at the end or after it is dropped. One that is billed is ended there: that is asked for, nothing has changed yet.

    Raises:
        SubscriptionNotFoundError: there is none with this id.
    """
    with transaction() as session:
        row = _locked(session, actor, subscription_id)
        now = clock.now()
        if is_billed(row) and not is_finished(row, now):
            request_cancel(session, row, now, at_period_end=command.at_period_end)
        elif not is_billed(row) and is_live(row, now):
            end_here(session, row, now, at_period_end=command.at_period_end)
        return _view(session, actor, row, now)


def change_subscription(actor: Actor, subscription_id: str, command: ChangeSubscription) -> Subscription:
    """Swap the base package, now or when the running period ends. Id and start stay, so periods and usage go on.

    The last call counts: it replaces a change that is still to come, and a change to the present package takes it back. What
    was promised for the period's end happens, even if the package is archived by then or an add-on does not go with it. A
    repeat changes nothing. One that is billed is changed there: that is asked for, nothing has changed yet.

    Raises:
        SubscriptionNotFoundError, PackageNotFoundError: an id that this tenant does not have.
        PackageStatusError: the new package is not PUBLISHED.
        SubscriptionError: the subscription is over or to an add-on, or ends before the change would come; the new package is
            an add-on, or one of the user's add-ons does not go with it; where it is billed there is no price for the change.
    """
    with transaction() as session:
        row = _locked(session, actor, subscription_id)
        now = clock.now()
        if not is_finished(row, now):
            check_changeable_where_billed(row, now)
        live = queries.live_subscriptions(session, actor.tenant_id, row.user_key, now)
        present = next((package for subscription, package in live if subscription.id == row.id), None)
        if present is None:
            raise SubscriptionError(f"Cannot change subscription {subscription_id}: it is over.")
        if present.is_addon:
            raise SubscriptionError(f"Cannot change subscription {subscription_id}: it is to an add-on, not a base.")
        package = _kept_packages(session, actor, [command.package_id])[0]
        settle(session, [row], now)
        arranged = {row.package_key, row.next_package_key if command.at_period_end else None}
        if package.key not in arranged:
            addons = [package for _, package in live if package.is_addon]
            new_base, *held_addons = package_queries.sellables(session, actor.tenant_id, [package, *addons])
            check_changeable(new_base, held_addons)
        if is_billed(row):
            request_change(session, row, package, now, at_period_end=command.at_period_end)
        elif _arrange(session, row, package.key, now, at_period_end=command.at_period_end):
            session.flush()
            announce(session, actor.tenant_id, [(UPDATED, row)], now)
        return _view(session, actor, row, now)


def get_subscription(actor: Actor, subscription_id: str) -> Subscription:
    """Raises SubscriptionNotFoundError."""
    with transaction() as session:
        return _view(session, actor, _found(session, actor, subscription_id), clock.now())


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
        return Page(data=views_of(session, actor.tenant_id, rows, clock.now()), has_more=has_more)


def _new_subscription(
    actor: Actor,
    user_key: int,
    package: models.Package,
    command: Subscribe,
    now: datetime,
    base_ends_at: datetime | None,
) -> models.Subscription:
    """`base_ends_at` is for an add-on."""
    trial_ends_at = None if command.trial_days is None else now + timedelta(days=command.trial_days)
    # Such a trial ends by its date, like what was cancelled, and no job has to run for it.
    trial_is_all = settings().trial_end == SubscriptionStatus.CANCELLED
    return models.Subscription(
        tenant_id=actor.tenant_id,
        user_key=user_key,
        package_key=package.key,
        status=SubscriptionStatus.TRIALING if trial_ends_at else SubscriptionStatus.ACTIVE,
        started_at=now,
        ends_at=_first_of(base_ends_at, trial_ends_at if trial_is_all else None),
        trial_ends_at=trial_ends_at,
        metadata_=stored_metadata(command.metadata),
        created_at=now,
        updated_at=now,
    )


def _first_of(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


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


def _arrange(
    session: Session, row: models.Subscription, package_key: int, now: datetime, *, at_period_end: bool
) -> bool:
    """False if it is arranged so already. Raises SubscriptionError: it ends before the change would come."""
    changes_at = None
    if at_period_end and package_key != row.package_key:
        if package_key == row.next_package_key:
            return False  # when it was asked for, its moment was promised too
        changes_at = end_of_period(session, row, now)
        if row.ends_at is not None and row.ends_at <= changes_at:
            raise SubscriptionError(f"Cannot change subscription {row.id} when its period ends: it is over then.")
    present = (row.package_key, row.next_package_key, row.changes_at)
    wanted = (package_key, None, None) if changes_at is None else (row.package_key, package_key, changes_at)
    if wanted == present:
        return False
    if changes_at is None:
        change_package(session, row, package_key, now)
    _, row.next_package_key, row.changes_at = wanted
    row.updated_at = now
    return True


def _view(session: Session, actor: Actor, row: models.Subscription, now: datetime) -> Subscription:
    return views_of(session, actor.tenant_id, [row], now)[0]


def _key_of(session: Session, actor: Actor, subscription_id: str) -> int | None:
    number = number_of(subscription_id)
    row = None if number is None else queries.subscription_by_id(session, actor.tenant_id, number)
    return row.id if row else None
