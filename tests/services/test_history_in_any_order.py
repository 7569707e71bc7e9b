"""Whatever happens in whatever order, and whenever the job runs: the books are right, and no period that was used stays open."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from freezegun import freeze_time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.contract.reservations import ReserveUsage
from app.errors import MeterlineError
from app.services.reservations import reserve_usage
from app.services.reverts import revert_usage
from app.services.subscription_dates import settle_due
from app.services.usage_resets import reset_due
from tests.services.shop import DAY, SET, Shop, counted
from tests.services.test_usage_resets import books_are_right
from tests.tenants import new_tenant

BEGUN = datetime(2026, 1, 30, 23, 59, 59, tzinfo=UTC)
PACKAGES = ("small", "large", "daily")

Step = tuple[str, Any]

steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 45 * 24).map(lambda hours: timedelta(hours=hours))),
        # To the moment at which most periods here end, and just before it.
        st.tuples(st.just("wait_until_midnight_and"), st.sampled_from([-2, -1, 0, 1])),
        st.tuples(st.just("record"), st.integers(1, 3)),
        st.tuples(st.just("set"), st.integers(0, 3)),
        st.tuples(st.just("record_late"), st.integers(1, 70 * 24)),
        st.tuples(st.just("record_ahead"), st.integers(1, 60)),
        # A process whose clock is behind.
        st.tuples(st.just("record_behind"), st.integers(1, 3)),
        st.tuples(st.just("revert"), st.integers(0, 9)),
        st.tuples(st.just("reserve"), st.integers(1, 3)),
        st.tuples(st.just("subscribe"), st.sampled_from(PACKAGES)),
        st.tuples(st.just("change"), st.sampled_from(PACKAGES)),
        st.tuples(st.just("cancel"), st.booleans()),
        st.tuples(st.just("job"), st.none()),
    ),
    max_size=25,
)


@dataclass
class Story:
    shop: Shop
    now: datetime = BEGUN
    events: list[str] = field(default_factory=list)

    def do(self, step: Step) -> None:
        name, value = step
        match name:
            case "wait":
                self.now += value
            case "wait_until_midnight_and":
                self.now = self.now.replace(hour=23, minute=59, second=59) + timedelta(seconds=value)
            case "record_behind":
                with freeze_time(self.now - timedelta(seconds=value)):
                    self._record(1)
            case _:
                with freeze_time(self.now):
                    self._act(name, value)

    def _act(self, name: str, value: Any) -> None:
        match name:
            case "record":
                self._record(value)
            case "set":
                self._record(value, action=SET)
            case "record_late":
                self._record(1, timestamp=self.now - timedelta(hours=value))
            case "record_ahead":
                self._record(1, timestamp=self.now + timedelta(seconds=value))
            case "revert" if self.events:
                revert_usage(self.shop.actor, self.events[value % len(self.events)])
            case "reserve":
                wish = ReserveUsage(user_id="ada", feature_id="calls", delta=value, ttl_seconds=60)
                reserve_usage(self.shop.actor, wish)
            case "job":
                settle_due()
                reset_due()
            case _:
                self._deal(name, value)

    def _deal(self, name: str, value: Any) -> None:
        """What the rules of subscriptions refuse is refused."""
        had = self.shop.subscriptions()
        try:
            match name:
                case "subscribe":
                    self.shop.subscribe(value)
                case "change" if had:
                    self.shop.change(had[-1].id, value)
                case "cancel" if had:
                    self.shop.cancel(had[-1].id, at_period_end=value)
        except MeterlineError:
            pass

    def _record(self, delta: int, **more: Any) -> None:
        recorded = self.shop.record(delta, **more)
        if recorded.recorded:
            self.events.append(recorded.event_id)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps)
def test_the_books_are_right_and_what_was_used_is_closed(product: str, told: list[Step]) -> None:
    story = Story(_shop())
    for step in told:
        story.do(step)
        if step[0] in {"job", "record_behind", "record_late", "revert"}:
            assert books_are_right(story.shop)
    with freeze_time(story.now + timedelta(days=400)):
        settle_due()
        reset_due()
        assert books_are_right(story.shop)
        assert _used_in(story.shop) <= _closed(story.shop)


def _shop() -> Shop:
    """Ada has a subscription."""
    shop = Shop(new_tenant().actor)
    shop.feature()
    shop.package("small", counted(10, overage=True))
    shop.package("large", counted(50))
    shop.package("daily", counted(5, DAY))
    with freeze_time(BEGUN):
        shop.user()
        shop.subscribe("small")
    return shop


def _used_in(shop: Shop) -> set[tuple[datetime, datetime]]:
    """The periods in which something was counted."""
    rows = shop.ledger("recorded", "period_start", "period_end")
    return {(start, end) for recorded, start, end in rows if recorded and start}


def _closed(shop: Shop) -> set[tuple[datetime, datetime]]:
    rows = shop.rows("usage_periods")["usage_periods"]
    return {(row[3], row[4]) for row in rows if row[-1] is not None}
