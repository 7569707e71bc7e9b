"""Who may be subscribed to what: base packages, add-ons, and what follows from a subscription's status."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.periods import ResetPeriod, period_at
from app.errors import PackageStatusError, SubscriptionError

# The seed's messages, word for word. Source: Kana's mutation reference, `subscribe`, Errors.
MISSING_BASE = "Cannot subscribe to addon. Missing live tier subscription."
SECOND_BASE = "Cannot subscribe to multiple tiers"


class PackageStatus(StrEnum):
    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    ARCHIVED = "ARCHIVED"


class SubscriptionStatus(StrEnum):
    ACTIVE = "ACTIVE"
    TRIALING = "TRIALING"
    CANCELLED = "CANCELLED"
    PAST_DUE = "PAST_DUE"
    UNPAID = "UNPAID"
    INCOMPLETE = "INCOMPLETE"
    INCOMPLETE_EXPIRED = "INCOMPLETE_EXPIRED"


# "Live": these give access, and these count when a base is looked for; PAST_DUE does both in its grace, which is a date
# (`domain.subscription_dates`).
LIVE_STATUSES = (SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING)

# Nothing comes after these.
OVER_STATUSES = (SubscriptionStatus.CANCELLED, SubscriptionStatus.INCOMPLETE_EXPIRED)


@dataclass(frozen=True, slots=True)
class Sellable:
    """A package as the rules see it. An add-on with no `allowed_bases` goes with every base."""

    id: str
    status: PackageStatus
    is_addon: bool
    allowed_bases: frozenset[str] = frozenset()

    def goes_with(self, base_id: str) -> bool:
        return not self.allowed_bases or base_id in self.allowed_bases


def check_subscribable(requested: Sequence[Sellable], live_base_ids: Collection[str]) -> None:
    """Refuse what one `subscribe` call may not do, in the documented order of checks.

    Args:
        requested: the packages of the call, all known to exist.
        live_base_ids: the base packages that the user's live subscriptions are to.

    Raises:
        PackageStatusError: one of them is not PUBLISHED.
        SubscriptionError: a second base, an add-on without a base, or an add-on on a base it is not for.
    """
    for package in requested:
        check_published(package)
    base_ids = [*live_base_ids, *(package.id for package in requested if not package.is_addon)]
    if len(base_ids) > 1 and any(not package.is_addon for package in requested):
        raise SubscriptionError(SECOND_BASE)
    addons = [package for package in requested if package.is_addon]
    if addons and not base_ids:
        raise SubscriptionError(MISSING_BASE)
    for addon in addons:
        if not any(addon.goes_with(base_id) for base_id in base_ids):
            raise SubscriptionError(f"Cannot subscribe to addon. Package {addon.id} does not go with {base_ids[0]}.")


def check_owes_nothing(requested: Sequence[Sellable], late_base_ids: Sequence[str]) -> None:
    """Refuse to take money for a base package from who owes some for one: Stripe goes on trying to collect that.

    Args:
        requested: what is to be paid for.
        late_base_ids: the base packages that the user's subscriptions of which a payment is late are to.

    Raises:
        SubscriptionError: there is a base package among both.
    """
    if late_base_ids and any(not package.is_addon for package in requested):
        raise SubscriptionError(
            f"Cannot subscribe to multiple tiers. A payment for package {late_base_ids[0]} is late: it can be made in the "
            "customer portal (generatePortalLink), or that subscription be cancelled."
        )


def check_changeable(new_base: Sellable, live_addons: Sequence[Sellable]) -> None:
    """Refuse a swap of the base package that the rules forbid.

    Raises:
        PackageStatusError: the new package is not PUBLISHED.
        SubscriptionError: it is an add-on, or one of the user's live add-ons does not go with it.
    """
    check_published(new_base)
    if new_base.is_addon:
        raise SubscriptionError(f"Cannot change to package {new_base.id}: it is an add-on, not a base package.")
    for addon in live_addons:
        if not addon.goes_with(new_base.id):
            raise SubscriptionError(f"Cannot change to package {new_base.id}: add-on {addon.id} does not go with it.")


def check_published(package: Sellable) -> None:
    """Raises PackageStatusError unless the package may be subscribed to."""
    if package.status is not PackageStatus.PUBLISHED:
        raise PackageStatusError(f"Cannot subscribe to package {package.id}: it is {package.status}, not PUBLISHED")


def end_of_paid_period(anchor: datetime, units: Collection[ResetPeriod], moment: datetime) -> datetime:
    """When a subscription that is cancelled "at period end" ends, if nobody else (Stripe) says so.

    The package's longest reset period, so that no allowance already given is cut short; a package without consumables runs by
    the month.
    """
    longest = max(units, key=list(ResetPeriod).index, default=ResetPeriod.MONTH)
    return period_at(anchor, longest, moment).end
