"""What overage costs who is to a package: the prices for it, and the metered items that a provider's subscription needs for them.

Usage is told to the meter of the package that decided then. So two items beside each other never charge for the same usage, and
one of a package that is not there any more may stay as long as a bill may be made of it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SETTLED_AFTER = timedelta(hours=73)
"""The longest that Stripe can be told to leave an invoice open for usage after the end of its period is 72 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OveragePrice:
    """A price on sale for what is used of a feature beyond a package's limit. `meter_id` None: a meter that is not ours."""

    package_key: int
    feature_key: int
    price_id: str
    meter_id: str | None
    currency: str
    interval: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Stay:
    """A subscription is to a package until then; None: it still is, or will be."""

    package_key: int
    until: datetime | None


def newest_prices(prices: Iterable[OveragePrice], *, currency: str, interval: str) -> list[OveragePrice]:
    """Of a package's prices the last of each feature in that currency, billed as often; in the order of the features."""
    alike = [price for price in prices if (price.currency, price.interval) == (currency, interval)]
    newest = {price.feature_key: price for price in alike}
    return [newest[feature_key] for feature_key in sorted(newest)]


def not_billed(
    prices: Iterable[OveragePrice], *, price_ids: Collection[str], meter_ids: Collection[str | None]
) -> list[OveragePrice]:
    """Those that a subscription with items of these prices and meters does not charge. On a meter that it has, whatever the price
    is, a second one would charge for the same usage again.
    """
    return [
        price
        for price in prices
        if price.price_id not in price_ids and (price.meter_id is None or price.meter_id not in meter_ids)
    ]


def is_left_over(
    package_key: int, stays: Sequence[Stay], *, period_start: datetime, created_at: datetime, now: datetime
) -> bool:
    """Whether an item for a package's overage, whose bill began at `period_start`, has nothing to charge for any more.

    Nobody was to the package in that time, nor is or will be, and the bill before is made. One that was added just now stays for
    a while: who changes a package by hand may add its price for overage first.
    """
    ended_by_then = all(
        stay.until is not None and stay.until <= period_start for stay in stays if stay.package_key == package_key
    )
    return ended_by_then and max(period_start, created_at) + SETTLED_AFTER <= now
