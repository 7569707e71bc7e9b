"""Whether the job runs makes no difference to anybody: the same story in two shops, and in one of them it never runs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freezegun import freeze_time
from hypothesis import given, settings
from hypothesis import strategies as st

from app import clock
from app.contract.usage import CheckAccess
from app.db import transaction
from app.domain.periods import ResetPeriod
from app.errors import MeterlineError
from app.queries.subscriptions import locked_due
from app.services.explanations import explain
from app.services.subscription_dates import settle
from tests.environment import environment
from tests.services.shop import Shop, counted
from tests.tenants import new_tenant

STARTS = ("2026-01-31T10:00:00.123Z", "2028-02-29T23:59:59.999Z", "2027-12-31T00:00:00Z")
PACKAGES = ("pro", "max", "boost", "turbo")
MILLISECOND = timedelta(milliseconds=1)

Act = tuple[str, int, int]
"""(what, which subscription or how many days, which package)."""

acts = st.tuples(
    st.sampled_from(
        ["change later", "change later", "change", "end later", "cancel", "subscribe", "try out", "record"]
    ),
    st.integers(0, 40),
    st.integers(0, len(PACKAGES) - 1),
)
# How long until the next act; None: until just before the next date on any subscription, and then until the date itself.
pauses = st.sampled_from([None, None, None, timedelta(0), timedelta(hours=7), timedelta(days=3), timedelta(days=40)])


def stocked(per: ResetPeriod) -> Shop:
    shop = Shop(new_tenant().actor)
    shop.feature()
    shop.package("pro", counted(5, per))
    shop.package("max", counted(8, ResetPeriod.MONTH))
    shop.addon("boost", counted(6, per))
    shop.addon("turbo", counted(11, per), base_package_ids=["max"])
    shop.user()
    return shop


def perform(shop: Shop, act: Act) -> Any:
    """What the caller is answered, without what differs between two shops."""
    what, number, package = act
    held = shop.subscriptions()
    package_id = PACKAGES[package]
    try:
        if what == "record":
            return shop.record(number % 3 + 1).recorded
        if what == "subscribe" or not held:
            return [plain(shop, made.id) for made in shop.subscribe(package_id)]
        if what == "try out":
            return [plain(shop, made.id) for made in shop.subscribe(package_id, trial_days=number + 1)]
        chosen = held[number % len(held)].id
        if what in ("change", "change later"):
            return plain(shop, shop.change(chosen, package_id, at_period_end=what == "change later").id)
        return plain(shop, shop.cancel(chosen, at_period_end=what == "end later").id)
    except MeterlineError as refused:
        return type(refused)


def plain(shop: Shop, subscription_id: str) -> tuple[Any, ...]:
    view = shop.subscription(subscription_id)
    change = view.pending_change
    pending = (change.package.id, change.at) if change else None
    return view.package.id, view.status, view.started_at, view.ends_at, view.trial_ends_at, pending


def seen(shop: Shop) -> list[Any]:
    explained = explain(shop.actor, CheckAccess(user_id="ada", feature_id="calls"))
    return [
        [plain(shop, held.id) for held in shop.subscriptions()],
        shop.access(),
        shop.usage(),
        [(one.package_id, one.status, one.limit, one.standing) for one in explained.candidates],
        [(offer.package_id, offer.step, offer.problem, offer.grants) for offer in explained.ways.packages],
        explained.ways.after_reset,
    ]


def run_job(shop: Shop) -> None:
    """For this shop alone."""
    with transaction() as session:
        now = clock.now()
        settle(session, locked_due(session, shop.actor.tenant_id, now, 100, ()), now)
    with transaction() as session:
        assert locked_due(session, shop.actor.tenant_id, now, 100, ()) == []


def dates(shop: Shop) -> list[datetime]:
    told = [plain(shop, held.id) for held in shop.subscriptions()]
    texts = [text for *_, ends, trial, pending in told for text in (ends, trial, pending and pending[1]) if text]
    return sorted(moment for text in texts if (moment := datetime.fromisoformat(text)) > clock.now())


@pytest.mark.usefixtures("product")
@settings(max_examples=25)
@given(
    start=st.sampled_from(STARTS),
    per=st.sampled_from(ResetPeriod),
    trial_end=st.sampled_from(["ACTIVE", "CANCELLED"]),
    first=st.booleans(),
    story=st.lists(st.tuples(acts, pauses), min_size=2, max_size=8),
)
def test_the_same_is_seen_with_and_without_the_job(
    start: str, per: ResetPeriod, trial_end: str, first: bool, story: list[tuple[Act, timedelta | None]]
) -> None:
    with environment(TRIAL_END=trial_end), freeze_time(start) as time:
        with_job, without = stocked(per), stocked(per)
        begin: list[tuple[Act, timedelta | None]] = [(("try out" if first else "subscribe", 13, 0), timedelta(0))]
        for act, pause in [*begin, *story]:
            assert perform(with_job, act) == perform(without, act)
            ahead = dates(without)
            if pause is None and ahead:
                pauses_until = [ahead[0] - MILLISECOND, ahead[0]]
            else:
                pauses_until = [clock.now() + (pause or timedelta(days=1))]
            for moment in pauses_until:
                time.move_to(max(moment, clock.now()).astimezone(UTC))
                expected = seen(without)
                assert seen(with_job) == expected
                run_job(with_job)
                assert seen(with_job) == expected
