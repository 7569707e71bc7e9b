"""How Stripe is asked to cancel or change a subscription. What is so already is not asked for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app import clock
from app.db import transaction
from app.domain.overage_prices import OveragePrice
from app.domain.subscription_dates import has_changed, package_key_at
from app.domain.subscription_requests import Offer, RequestKind, RequestStatus, offer_like
from app.errors import SubscriptionError
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingNotFoundError
from app.gateways.billing_shapes import ProviderSubscription, SubscriptionChange, SubscriptionItem
from app.queries import subscription_requests as queries
from app.queries.overage_prices import overage_prices
from app.queries.packages import packages_by_key
from app.queries.stripe_copies import copies_of
from app.queries.subscriptions import subscription_by_id
from app.queries.tenants import tenant_by_id
from app.services.overage_items import missing_prices
from app.services.stripe_subscriptions import copy_subscription

AS_GOOD_AS_NOW = timedelta(minutes=1)
"""Stripe refuses an end that is over by its clock, and ours may be behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A request as it was when the work on it began, and the subscription that it is about.

    `ends_at`: an add-on's, with its base and not with its own period. `going_with`: the items that end with it. `price_id` is for
    the package that it is to now, `arranged_price_id` for the one that it will be to when its period ends. `overage_prices` are
    for what is used beyond the limits of the wanted one.
    """

    tenant_id: int
    request_id: UUID
    app_id: str
    attempt: int
    kind: RequestKind
    at_period_end: bool
    ends_at: datetime | None
    subscription_id: int
    provider_subscription_id: str
    item_id: str
    going_with: frozenset[str]
    is_addon: bool
    price_id: str | None
    arranged_price_id: str | None
    package_id: str | None
    is_taken_back: bool
    offers: tuple[Offer, ...]
    overage_prices: tuple[OveragePrice, ...]

    @property
    def key(self) -> str:
        """The idempotency key of this attempt."""
        return f"request:{self.request_id}:{self.attempt}"


@dataclass(frozen=True, slots=True)
class Prices:
    """The price that an item is to have, and those for overage that come with it.

    They come in the same call, so that there is no moment at which overage costs nothing. Those of the package before stay until
    a bill was made of them: see `overage_items`.
    """

    price_id: str
    metered_price_ids: tuple[str, ...] = ()

    def given_to(self, item: SubscriptionItem, *, prorate: bool) -> SubscriptionChange:
        return SubscriptionChange(
            item_id=item.id, price_id=self.price_id, metered_price_ids=self.metered_price_ids, prorate=prorate
        )


def read_wish(tenant_id: int, request_id: UUID) -> Wish | None:
    """What is asked for; None if nothing is any more."""
    with transaction() as session:
        request = queries.request_by_id(session, tenant_id, request_id)
        tenant = tenant_by_id(session, tenant_id)
        if request is None or tenant is None or request.status is not RequestStatus.PENDING:
            return None
        row = subscription_by_id(session, tenant_id, request.subscription_id)
        if row is None or row.provider_subscription_id is None or row.provider_item_id is None:
            return None
        copies = copies_of(session, tenant_id, row.provider_subscription_id)
        keys = {copy.package_key for copy in copies} | ({request.package_key} if request.package_key else set())
        packages = {package.key: package for package in packages_by_key(session, tenant_id, keys)}
        is_addon = packages[row.package_key].is_addon
        takes_addons = not is_addon or request.ends_at is not None
        going = [copy for copy in copies if copy is row or (takes_addons and packages[copy.package_key].is_addon)]
        now = clock.now()
        is_later = not has_changed(row, now)
        return Wish(
            tenant_id=tenant_id,
            request_id=request_id,
            app_id=tenant.public_id,
            attempt=request.attempt,
            kind=request.kind,
            at_period_end=request.at_period_end,
            ends_at=request.ends_at,
            subscription_id=row.id,
            provider_subscription_id=row.provider_subscription_id,
            item_id=row.provider_item_id,
            going_with=frozenset(copy.provider_item_id or "" for copy in going),
            is_addon=is_addon,
            price_id=row.provider_price_id if is_later else row.next_price_id,
            arranged_price_id=row.next_price_id if is_later else None,
            package_id=packages[request.package_key].id if request.package_key else None,
            is_taken_back=request.package_key == package_key_at(row, now),
            offers=tuple(queries.recurring_offers(session, tenant_id, request.package_key, row.provider or ""))
            if request.package_key
            else (),
            overage_prices=tuple(overage_prices(session, tenant_id, [request.package_key]))
            if request.package_key
            else (),
        )


def cancel(billing: BillingGateway, wish: Wish, found: ProviderSubscription) -> None:
    """End the subscription, or the one item of it if others go on.

    Raises:
        SubscriptionError: one of several items is to end with the period, which Stripe cannot do.
        BillingError: Stripe does not do it, or not now.
    """
    item = _item(wish, found)
    if found.is_over or item is None:
        return
    # Metered items are for what is used beyond a limit: they have nothing to go on with.
    others = [each for each in found.items if each.id not in wish.going_with and each.price.meter_id is None]
    is_later = wish.at_period_end and (wish.ends_at is None or wish.ends_at > clock.now() + AS_GOOD_AS_NOW)
    if others and is_later:
        raise SubscriptionError(
            f"Cannot cancel subscription {wish.subscription_id} when its period ends: it is billed together with others, and "
            "Stripe can end one of several only at once."
        )
    if others:
        gone = tuple(each.id for each in found.items if each.id in wish.going_with)
        change = SubscriptionChange(removed_item_ids=gone, prorate=False)
        billing.change_subscription(found.id, change, key=wish.key)
    elif not is_later:
        _end_now(billing, found)
    elif wish.ends_at is not None:
        _end_with_base(billing, wish, found, item, wish.ends_at)
    elif not _ends_by(found, item.period_end):
        billing.change_subscription(found.id, SubscriptionChange(cancel_at_period_end=True), key=wish.key)


def change(billing: BillingGateway, wish: Wish, found: ProviderSubscription) -> None:
    """Give the item the price of the package that is wanted, or that of the present one back.

    Raises:
        SubscriptionError: it is over or will be by then, or there is no one price for it, or it is that of the present package.
        BillingError: Stripe does not do it, or not now.
    """
    item = _item(wish, found)
    if found.is_over or item is None:
        raise SubscriptionError(f"Cannot change subscription {wish.subscription_id}: it is over.")
    if wish.is_taken_back:
        _set_price(billing, wish, item, Prices(wish.price_id or item.price.id), prorate=False)
        return
    prices = _prices(wish, item, found)
    if prices.price_id == wish.price_id:
        # Nothing would change at Stripe, so our copy would stay what it is.
        raise SubscriptionError(
            f"Cannot change to package {wish.package_id}: it has the price that subscription {wish.subscription_id} has now, "
            "so Stripe cannot tell the two apart."
        )
    if wish.at_period_end:
        _arrange(billing, wish, item, prices, ends=_ends_by(found, item.period_end))
    elif item.price.id == wish.arranged_price_id:
        _change_instead(billing, wish, item, prices)
    else:
        _set_price(billing, wish, item, prices, prorate=True)


def _arrange(billing: BillingGateway, wish: Wish, item: SubscriptionItem, prices: Prices, *, ends: bool) -> None:
    """At the period's end is: at once, and without proration. So it is paid from the next renewal on.

    Whoever copies the subscription must know that before, so that the package is not there before it is paid.
    """
    if ends:
        raise SubscriptionError(
            f"Cannot change subscription {wish.subscription_id} when its period ends: it is over then."
        )
    if item.price.id == prices.price_id:
        # An attempt before this one has done it and noted for when, perhaps in another period; or somebody else has, for now.
        return
    _note_change(wish, prices.price_id, item.period_end)
    wanted = prices.given_to(item, prorate=False)
    changed = _item(wish, billing.change_subscription(wish.provider_subscription_id, wanted, key=wish.key))
    if changed is not None and changed.period_end > item.period_end:
        # It was renewed while we asked, at the price of before.
        _note_change(wish, prices.price_id, changed.period_end)


def _change_instead(billing: BillingGateway, wish: Wish, item: SubscriptionItem, prices: Prices) -> None:
    """Now, and not what was arranged for the period's end: what is paid for its rest is the difference to the price that was paid
    for it, so Stripe gets that one back first.
    """
    back = SubscriptionChange(item_id=item.id, price_id=wish.price_id, prorate=False)
    billing.change_subscription(wish.provider_subscription_id, back, key=f"{wish.key}:back")
    # Our copy forgets what was arranged, or it would take the same price for that once more.
    copy_subscription(billing, wish.provider_subscription_id)
    forth = prices.given_to(item, prorate=True)
    billing.change_subscription(wish.provider_subscription_id, forth, key=wish.key)


def _item(wish: Wish, found: ProviderSubscription) -> SubscriptionItem | None:
    return next((item for item in found.items if item.id == wish.item_id), None)


def _ends_by(found: ProviderSubscription, moment: datetime) -> bool:
    return found.cancel_at_period_end or (found.cancel_at is not None and found.cancel_at <= moment)


def _end_with_base(
    billing: BillingGateway, wish: Wish, found: ProviderSubscription, item: SubscriptionItem, ends_at: datetime
) -> None:
    """At a moment within a period of its own: what that costs from then on is not charged, or is put to the customer's credit."""
    arranged = found.cancel_at or (item.period_end if found.cancel_at_period_end else None)
    if arranged is None or arranged > ends_at:
        billing.change_subscription(found.id, SubscriptionChange(cancel_at=ends_at), key=wish.key)


def _end_now(billing: BillingGateway, found: ProviderSubscription) -> None:
    try:
        billing.cancel_subscription(found.id)
    except BillingNotFoundError:
        # Somebody was faster, perhaps an attempt of ours whose answer was lost. If there is none at all, the copy will tell.
        return


def _prices(wish: Wish, item: SubscriptionItem, found: ProviderSubscription) -> Prices:
    interval, count = item.price.interval, item.price.interval_count
    paid = str(interval) if count == 1 else f"{count} {interval}s"
    offer = offer_like(wish.offers, package_id=wish.package_id or "", currency=item.price.currency, interval=paid)
    missing = missing_prices(found, wish.overage_prices, item)
    return Prices(offer.price_id, tuple(each.price_id for each in missing))


def _set_price(billing: BillingGateway, wish: Wish, item: SubscriptionItem, prices: Prices, *, prorate: bool) -> None:
    if item.price.id != prices.price_id:
        wanted = prices.given_to(item, prorate=prorate)
        billing.change_subscription(wish.provider_subscription_id, wanted, key=wish.key)


def _note_change(wish: Wish, price_id: str, changes_at: datetime) -> None:
    with transaction() as session:
        request = queries.locked_request(session, wish.tenant_id, wish.request_id)
        if request is not None and request.attempt == wish.attempt:
            request.price_id, request.changes_at, request.updated_at = price_id, changes_at, clock.now()
