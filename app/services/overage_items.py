"""Which items a subscription should have by which Stripe charges for overage: they follow its packages, whoever changed those.

A change that we ask for brings the new package's prices in the same call. One that was made in Stripe's dashboard or portal does
not: the copy notices, and a job adds them. Items of a package that is not there any more stay until no bill can be made of them:
what Stripe is told of an item that was taken away is charged to nobody.

Source: docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app import models
from app.domain.overage_prices import OveragePrice, Stay, is_left_over, newest_prices, not_billed
from app.domain.subscription_dates import has_changed, is_finished, package_key_at, will_change
from app.gateways.billing_shapes import ProviderSubscription, SubscriptionItem
from app.queries import metered_items
from app.queries import overage_prices as queries
from app.queries.subscription_requests import is_change_pending
from app.queries.subscriptions import past_packages


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`missing`: prices for overage by which nobody is charged. `cause`: the changes of package that they are missing since.
    `left_over`: items that have nothing to charge for.
    """

    missing: tuple[str, ...] = ()
    cause: str = ""
    left_over: tuple[str, ...] = ()

    @property
    def is_wanted(self) -> bool:
        return bool(self.missing or self.left_over)


_NONE = Adjustment()


def missing_prices(
    found: ProviderSubscription, prices: Iterable[OveragePrice], paid: SubscriptionItem
) -> list[OveragePrice]:
    """Which of a package's prices for overage are to be paid by who pays for it by this item, as at checkout, and are not."""
    terms = {"currency": paid.price.currency, "interval": str(paid.price.interval)}
    newest = newest_prices(prices, **terms) if paid.price.interval_count == 1 else []
    return not_billed(
        newest,
        price_ids={item.price.id for item in found.items},
        meter_ids={item.price.meter_id for item in found.items},
    )


def adjustment_of(
    session: Session, tenant_id: int, found: ProviderSubscription, copies: Iterable[models.Subscription], now: datetime
) -> Adjustment:
    """What is to be done about the metered items of a subscription that has these copies. Nothing while an item has none, or
    one of another price: then it is not known, or not yet, what is paid for.
    """
    rows = {row.provider_item_id: row for row in copies}
    licensed = [item for item in found.items if item.price.meter_id is None]
    if found.is_over or not all(item.id in rows and _is_copied(item, rows[item.id]) for item in licensed):
        return _NONE
    missing = _missing(session, tenant_id, found, [(item, rows[item.id]) for item in licensed], now)
    causes = sorted(f"{row.id}:{since.isoformat()}" for _, row, since in missing)
    price_ids = tuple(price.price_id for price, _, _ in missing)
    return Adjustment(price_ids, " ".join(dict.fromkeys(causes)), _left_over(session, tenant_id, found, rows, now))


def _is_copied(item: SubscriptionItem, row: models.Subscription) -> bool:
    return item.price.id in (row.provider_price_id, row.next_price_id)


def _missing(
    session: Session,
    tenant_id: int,
    found: ProviderSubscription,
    paid: Sequence[tuple[SubscriptionItem, models.Subscription]],
    now: datetime,
) -> list[tuple[OveragePrice, models.Subscription, datetime]]:
    """Only of packages that were changed to: who bought a package pays what they agreed to then. Nor what is on sale since then
    only, nor what somebody has taken off the bill again.
    """
    changed = [(item, row, *change) for item, row in paid if (change := _last_change(row, now)) is not None]
    if not changed:
        return []
    prices = queries.overage_prices(session, tenant_id, {package_key for _, _, package_key, _ in changed})
    ended = metered_items.ended_at(session, tenant_id, found.id) if prices else {}
    return [
        (price, row, since)
        for item, row, package_key, since in changed
        for price in missing_prices(found, _sold_by(prices, package_key, since), item)
        if (at := ended.get((price.package_key, price.feature_key))) is None or at < since
    ]


def _sold_by(prices: Iterable[OveragePrice], package_key: int, moment: datetime) -> list[OveragePrice]:
    return [each for each in prices if each.package_key == package_key and each.created_at <= moment]


def _last_change(row: models.Subscription, now: datetime) -> tuple[int, datetime] | None:
    """(package, since when) of a subscription that was bought as another one."""
    if is_finished(row, now):
        return None
    since = row.changes_at if has_changed(row, now) else row.changed_at
    return None if since is None else (package_key_at(row, now), since)


def _left_over(
    session: Session,
    tenant_id: int,
    found: ProviderSubscription,
    rows: Mapping[str | None, models.Subscription],
    now: datetime,
) -> tuple[str, ...]:
    metered = {item.price.meter_id: item for item in found.items if item.price.meter_id is not None}
    sold = metered_items.sold_by_meters(session, tenant_id, metered) if metered else {}
    held = {row.package_key for row in rows.values()}
    if {package_key for package_key, _ in sold.values()} <= held and not any(
        _has_left(row, now) for row in rows.values()
    ):
        return ()
    ids = {row.id for row in rows.values()}
    if is_change_pending(session, tenant_id, ids):
        # A worker asks Stripe for it at this moment, and may count on an item that is there.
        return ()
    past = past_packages(session, tenant_id, ids)
    stays = [Stay(each.package_key, each.until) for each in past]
    stays += [stay for row in rows.values() for stay in _stays(row, now)]
    return tuple(
        metered[meter_id].id
        for meter_id, (package_key, _) in sold.items()
        if is_left_over(
            package_key,
            stays,
            period_start=metered[meter_id].period_start,
            created_at=metered[meter_id].created_at,
            now=now,
        )
    )


def _has_left(row: models.Subscription, now: datetime) -> bool:
    return is_finished(row, now) or has_changed(row, now)


def _stays(row: models.Subscription, now: datetime) -> list[Stay]:
    if is_finished(row, now):
        return [Stay(row.package_key, row.ends_at or now)]
    stays = [Stay(row.package_key, row.changes_at if has_changed(row, now) else None)]
    if row.next_package_key is not None and (has_changed(row, now) or will_change(row, now)):
        stays.append(Stay(row.next_package_key, None))
    return stays
