"""What a user could be given more of a feature by: packages on sale, and what each would change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app import models
from app.contract.explanations import PACKAGES_MAX, PackageOffer
from app.domain.entitlements import Candidate
from app.domain.explanations import Situation, SubscribingStep, situation
from app.domain.periods import ResetPeriod
from app.domain.subscribing import Sellable, check_changeable, check_subscribable
from app.errors import SubscriptionError
from app.queries.explanations import packages_giving_more
from app.queries.packages import sellables
from app.queries.subscriptions import live_subscriptions
from app.services.entitlements import Position
from app.services.subscription_requests import check_changeable_where_billed

# Of subscriptions that begin in the same millisecond the one made last decides: a new one is.
_NEW_SUBSCRIPTION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Offer:
    """A package, the step to it, what the step would be refused with now, and who would decide after it."""

    package: models.Package
    terms: models.PackageFeature
    step: SubscribingStep
    problem: str | None
    supposed: Situation


@dataclass(frozen=True, slots=True)
class _Has:
    """What the user is subscribed to: the base, if there is one, and the add-ons."""

    base: tuple[models.Subscription, models.Package] | None
    addons: Sequence[Sellable]


def offers(session: Session, position: Position, now: datetime, *, wanted: int) -> list[Offer]:
    """Up to 20 PUBLISHED packages that give more than the decider, first those that allow a total of `wanted`.

    Three statements at most, however many.
    """
    tenant_id, user_key, _ = position.pair
    found = packages_giving_more(session, position.pair, position.decider, wanted, PACKAGES_MAX)
    if not found:
        return []
    live = live_subscriptions(session, tenant_id, user_key, now)
    base = next(((subscription, package) for subscription, package in live if not package.is_addon), None)
    addons = [package for _, package in live if package.is_addon]
    sold = sellables(session, tenant_id, [*(package for package, _ in found), *addons])
    has = _Has(base, sold[len(found) :])
    return [
        _offer(position, now, has, package, terms, sellable)
        for (package, terms), sellable in zip(found, sold, strict=False)
        if base is None or package.key != base[1].key
    ]


def offer_view(offer: Offer, *, grants: bool) -> PackageOffer:
    """An offer as callers see it."""
    is_counted = offer.terms.reset_period is not None
    return PackageOffer(
        package_id=offer.package.id,
        is_addon=offer.package.is_addon,
        limit=offer.terms.usage_limit,
        reset_period=offer.terms.reset_period,
        overage_enabled=offer.terms.overage_enabled if is_counted else None,
        step=offer.step,
        problem=offer.problem,
        grants=grants,
    )


def _offer(
    position: Position,
    now: datetime,
    has: _Has,
    package: models.Package,
    terms: models.PackageFeature,
    sellable: Sellable,
) -> Offer:
    if has.base is not None and not package.is_addon:
        subscription, _ = has.base
        others = [one for one in position.candidates if one.subscription_id != subscription.id]
        step = SubscribingStep.CHANGE_SUBSCRIPTION
        problem = _refusal(lambda: check_changeable_where_billed(subscription, now)) or _refusal(
            lambda: check_changeable(sellable, has.addons)
        )
        candidate = _candidate(subscription.id, subscription.started_at, package, terms)
    else:
        others = list(position.candidates)
        step = SubscribingStep.SUBSCRIBE
        base_ids = [has.base[1].id] if has.base else []
        problem = _refusal(lambda: check_subscribable([sellable], base_ids))
        candidate = _candidate(_NEW_SUBSCRIPTION, now, package, terms)
    return Offer(package, terms, step, problem, situation(position.feature_type, [*others, candidate], now))


def _candidate(
    subscription_id: int, anchor: datetime, package: models.Package, terms: models.PackageFeature
) -> Candidate:
    """The package's subscription as it would be. A BINARY feature has no reset period and needs none."""
    return Candidate(
        subscription_id=subscription_id,
        package_id=package.id,
        anchor=anchor,
        limit=terms.usage_limit,
        reset_period=terms.reset_period or ResetPeriod.MONTH,
        overage_enabled=terms.overage_enabled,
    )


def _refusal(check: Callable[[], None]) -> str | None:
    try:
        check()
    except SubscriptionError as refusal:
        return refusal.message
    return None
