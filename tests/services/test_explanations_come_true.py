"""What an explanation foretells happens: time moves on, or the step is taken, and everybody is answered as it said.

Random shops and stories, on the real database.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from hypothesis import given, settings
from hypothesis import strategies as st

from app.contract.explanations import AccessLater, Explanation, PackageOffer
from app.contract.reservations import ReserveUsage
from app.contract.shapes import PageRequest
from app.contract.usage import CheckAccess
from app.domain.explanations import SubscribingStep
from app.domain.periods import ResetPeriod
from app.errors import SubscriptionError
from app.services.explanations import explain
from app.services.reservations import reserve_usage
from app.services.subscriptions import list_subscriptions
from tests.services.shop import ADD, SET, Shop, counted
from tests.tenants import new_tenant

BEGIN = datetime(2026, 1, 31, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Terms:
    limit: int | None
    per: ResetPeriod
    overage: bool
    is_addon: bool


terms = st.builds(
    Terms,
    limit=st.sampled_from([None, 0, 3, 5, 5, 8, 20]),
    per=st.sampled_from(ResetPeriod),
    overage=st.sampled_from([False, False, True]),
    is_addon=st.booleans(),
)
# Ada begins with it: a base whose limit is soon in the way.
bases = st.builds(
    Terms, limit=st.integers(2, 8), per=st.sampled_from(ResetPeriod), overage=st.just(False), is_addon=st.just(False)
)
Act = tuple[str, int, int]
"""(what, a number for it, seconds that pass before)."""

acts = st.tuples(
    st.sampled_from(
        [*["record", "hold"] * 3, "set", "set", "take back", "ahead", "subscribe", "change later", "cancel"]
    ),
    st.integers(0, 8),
    st.sampled_from([0, 0, 0, 1, 60, 3600, 90_000, 2_700_000]),
)
# Whatever happened before, something may be held now.
last_holds = st.lists(st.tuples(st.just("hold"), st.integers(0, 8), st.just(1)), max_size=4)


def perform(shop: Shop, act: Act, now: datetime) -> None:
    what, number, _ = act
    if what in ("record", "take back"):
        shop.record((number or 1) * (1 if what == "record" else -1), ADD)
    elif what == "set":
        shop.record(number, SET)
    elif what == "ahead":
        shop.record(number or 1, timestamp=now + timedelta(minutes=number % 5 + 1))
    elif what == "hold":
        ttl_seconds = (30, 300, 4000, 80_000)[number % 4]
        reserve_usage(
            shop.actor,
            ReserveUsage(user_id="ada", feature_id="calls", delta=number % 3 + 1, ttl_seconds=ttl_seconds),
        )
    else:
        with suppress(SubscriptionError):
            arrange(shop, what, number)


def arrange(shop: Shop, what: str, number: int) -> None:
    held = list_subscriptions(shop.actor, PageRequest(limit=100), "ada").data
    if what == "subscribe":
        shop.subscribe(f"p{number % 4}")
    elif held and what == "change later":
        shop.change(held[number % len(held)].id, f"p{number % 4}", at_period_end=True)
    elif held:
        shop.cancel(held[number % len(held)].id, at_period_end=number % 2 == 0)


def tell(catalogue: list[Terms], story: list[Act], clock: Callable[[float], object], started: datetime) -> Shop:
    shop, now = Shop(new_tenant().actor), started
    shop.feature()
    shop.user()
    for number, one in enumerate(catalogue):
        shop.package(f"p{number}", counted(one.limit, one.per, overage=one.overage), is_addon=one.is_addon)
    for act in story:
        clock(act[2])
        now += timedelta(seconds=act[2])
        perform(shop, act, now)
    return shop


def take(shop: Shop, offer: PackageOffer) -> None:
    if offer.step is SubscribingStep.SUBSCRIBE:
        shop.subscribe(offer.package_id)
        return
    subscriptions = list_subscriptions(shop.actor, PageRequest(limit=100), "ada").data
    (base,) = [one for one in subscriptions if not one.package.is_addon and one.status == "ACTIVE"]
    shop.change(base.id, offer.package_id)


def check_sums(found: Explanation) -> None:
    consumption, sums = found.answer.consumption, found.sums
    assert (consumption is None) == (sums is None) == (found.period is None) == (found.decision is None)
    if consumption is None or sums is None:
        return
    assert sums.agree
    assert sums.total == consumption.used
    assert (sums.last_set_to or 0) + sums.added - sums.taken_back + sums.cut_at_zero == sums.total
    assert sums.cut_at_zero >= 0
    if consumption.budget is not None and not consumption.overage_enabled:
        assert found.allowance == max(0, consumption.budget - consumption.used - consumption.reserved)
        assert found.answer.access == (found.delta <= consumption.budget - consumption.used - consumption.reserved)
    assert consumption.reserved == sum(one.amount for one in found.pending.reservations if one.counts)


def check_later(shop: Shop, later: AccessLater, delta: int) -> None:
    answer = shop.access(delta)
    assert (answer.access, answer.package_id) == (later.access, later.package_id)
    if later.allowance is not None:
        assert shop.access(later.allowance).access if later.allowance else not shop.access(1).access
        assert not shop.access(later.allowance + 1).access


@settings(max_examples=60)
@given(
    base=bases,
    others=st.lists(terms, min_size=3, max_size=3),
    story=st.lists(acts, min_size=3, max_size=12),
    last=last_holds,
    delta=st.integers(1, 6),
    data=st.data(),
)
@pytest.mark.usefixtures("product")
def test_what_is_foretold_happens(
    base: Terms, others: list[Terms], story: list[Act], last: list[Act], delta: int, data: st.DataObject
) -> None:
    with freeze_time(BEGIN) as clock:
        shop = tell([base, *others], [("subscribe", 0, 0), *story, *last], clock.tick, BEGIN)
        found = explain(shop.actor, CheckAccess(user_id="ada", feature_id="calls", delta=delta))

        assert found.answer == shop.access(delta)
        check_sums(found)
        offers = [offer for offer in found.ways.packages if offer.problem is None]
        if offers and data.draw(st.booleans(), label="take an offer"):
            offer = data.draw(st.sampled_from(offers), label="offer")
            take(shop, offer)
            assert shop.access(delta).access == offer.grants
            return
        for later in (found.ways.after_holds, found.ways.after_reset):
            if later:
                clock.move_to(later.at)
                check_later(shop, later, delta)
