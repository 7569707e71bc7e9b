"""What the dates on a subscription say at a moment."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.subscribing import SubscriptionStatus
from app.domain.subscription_dates import (
    grace_end,
    has_changed,
    is_live,
    is_over,
    package_key_at,
    status_at,
    will_change,
)

THEN = datetime(2028, 2, 29, 23, 59, 59, 999000, tzinfo=UTC)
BEFORE, AFTER = THEN - timedelta(milliseconds=1), THEN + timedelta(milliseconds=1)
OLD, NEW = 1, 2


@dataclass(frozen=True)
class Subscription:
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    ends_at: datetime | None = None
    trial_ends_at: datetime | None = None
    grace_ends_at: datetime | None = None
    package_key: int = OLD
    next_package_key: int | None = None
    changes_at: datetime | None = None


@pytest.mark.parametrize("status", SubscriptionStatus)
def test_without_dates_the_status_stays(status: SubscriptionStatus) -> None:
    assert status_at(Subscription(status), AFTER) is status


@pytest.mark.parametrize("status", SubscriptionStatus)
def test_an_end_belongs_to_what_comes_after(status: SubscriptionStatus) -> None:
    ending = Subscription(status, ends_at=THEN)
    # What was never paid for did not become CANCELLED, it expired.
    expired = SubscriptionStatus.INCOMPLETE_EXPIRED
    after = expired if status is expired else SubscriptionStatus.CANCELLED
    assert [status_at(ending, at) for at in (BEFORE, THEN, AFTER)] == [status, after, after]
    assert [is_over(ending, at) for at in (BEFORE, THEN)] == [False, True]


def test_only_live_statuses_give_access_and_only_before_the_end() -> None:
    live = {status for status in SubscriptionStatus if is_live(Subscription(status, ends_at=THEN), BEFORE)}
    assert live == {SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING}
    assert not any(is_live(Subscription(status, ends_at=THEN), THEN) for status in SubscriptionStatus)


@pytest.mark.parametrize("status", SubscriptionStatus)
def test_a_grace_gives_access_to_one_that_is_late_and_to_no_other(status: SubscriptionStatus) -> None:
    graced = Subscription(status, grace_ends_at=THEN)
    always = is_live(Subscription(status), THEN)
    is_late = status is SubscriptionStatus.PAST_DUE
    assert [is_live(graced, at) for at in (BEFORE, THEN)] == [always or is_late, always]
    assert status_at(graced, AFTER) is status
    assert not is_live(Subscription(status, ends_at=BEFORE, grace_ends_at=THEN), BEFORE)


@pytest.mark.parametrize("status", SubscriptionStatus)
def test_a_grace_is_fixed_when_the_payment_is_first_late_and_stays_until_that_is_settled(
    status: SubscriptionStatus,
) -> None:
    new = THEN + timedelta(days=3)
    late, paid = Subscription(SubscriptionStatus.PAST_DUE, grace_ends_at=AFTER), Subscription()
    is_late = status is SubscriptionStatus.PAST_DUE
    assert [grace_end(before, status, THEN, 3) for before in (None, paid)] == [new if is_late else None] * 2
    keeping = (SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID, SubscriptionStatus.CANCELLED)
    unpaid = Subscription(SubscriptionStatus.UNPAID, grace_ends_at=AFTER)
    for before in (late, unpaid):
        assert grace_end(before, status, THEN, 3) == (AFTER if status in keeping else None)
    assert grace_end(Subscription(SubscriptionStatus.UNPAID), status, THEN, 3) == (new if is_late else None)
    assert grace_end(None, status, THEN, 0) is None


@pytest.mark.parametrize("status", SubscriptionStatus)
def test_a_trial_that_is_over_is_active_and_nothing_else_becomes_so(status: SubscriptionStatus) -> None:
    tried = Subscription(status, trial_ends_at=THEN)
    after = SubscriptionStatus.ACTIVE if status is SubscriptionStatus.TRIALING else status
    assert [status_at(tried, at) for at in (BEFORE, THEN)] == [status, after]


@pytest.mark.parametrize(
    ("ends_at", "packages", "to_come"),
    [
        (None, [OLD, NEW, NEW], [True, False, False]),
        (AFTER, [OLD, NEW, NEW], [True, False, False]),
        (THEN, [OLD, OLD, OLD], [False, False, False]),
        (BEFORE, [OLD, OLD, OLD], [False, False, False]),
    ],
)
def test_a_change_comes_at_its_moment_unless_the_end_goes_before_it(
    ends_at: datetime | None, packages: list[int], to_come: list[bool]
) -> None:
    changing = Subscription(ends_at=ends_at, next_package_key=NEW, changes_at=THEN)
    moments = (BEFORE, THEN, AFTER)
    assert [package_key_at(changing, at) for at in moments] == packages
    assert [has_changed(changing, at) for at in moments] == [key == NEW for key in packages]
    assert [will_change(changing, at) for at in moments] == to_come
