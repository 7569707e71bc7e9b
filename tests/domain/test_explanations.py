"""What would change an answer: the domain's part, against holds that are looked at one by one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.entitlements import Candidate, FeatureType
from app.domain.explanations import (
    Hold,
    Outlook,
    Situation,
    SubscriptionStanding,
    freed_at,
    held_in,
    period_in_words,
    situation,
    why_idle,
)
from app.domain.periods import Period, ResetPeriod
from app.domain.subscribing import SubscriptionStatus

START = datetime(2026, 1, 31, 10, tzinfo=UTC)
PERIOD = Period(START, START + timedelta(days=28))


def later(hours: int) -> datetime:
    return START + timedelta(hours=hours)


def candidate(limit: int | None = 10, *, overage: bool = False, per: ResetPeriod = ResetPeriod.MONTH) -> Candidate:
    return Candidate(1, "pro", START, limit, per, overage)


holds = st.lists(
    st.builds(
        Hold,
        id=st.integers(1, 99),
        amount=st.integers(1, 5),
        at=st.integers(-3, 3).map(later),
        expires_at=st.integers(4, 12).map(later),
    ),
    max_size=8,
)


@given(holds=holds, amount=st.integers(1, 25))
def test_so_much_is_freed_at_the_first_moment_at_which_so_much_less_is_held(holds: list[Hold], amount: int) -> None:
    before = held_in(PERIOD, holds, later(3))
    moments = [later(hours) for hours in range(4, 13)]
    expected = next((at for at in moments if before - held_in(PERIOD, holds, at) >= amount), None)

    assert freed_at(PERIOD, holds, amount) == expected


def test_a_hold_counts_in_the_period_it_was_made_in_until_the_moment_it_expires() -> None:
    hold = Hold(1, 7, PERIOD.start, later(5))

    assert held_in(PERIOD, [hold], later(4)) == 7
    assert held_in(PERIOD, [hold], later(5)) == 0
    assert held_in(Period(later(1), PERIOD.end), [hold], later(4)) == 0


@pytest.mark.parametrize(
    ("decider", "used", "held", "delta", "grants", "allowance"),
    [
        (candidate(10), 4, 3, 3, True, 3),
        (candidate(10), 4, 3, 4, False, 3),
        (candidate(10), 12, 0, 1, False, 0),
        (candidate(10, overage=True), 99, 0, 1, True, None),
        (candidate(None), 99, 0, 1, True, None),
        (None, 0, 0, 1, False, None),
    ],
)
def test_an_outlook_answers_as_the_rule_does(
    decider: Candidate | None, used: int, held: int, delta: int, grants: bool, allowance: int | None
) -> None:
    outlook = Outlook(
        FeatureType.CONSUMABLE, {PERIOD: used}, [Hold(1, held, START, later(9)), Hold(2, 50, later(-1), later(9))]
    )
    supposed = Situation(later(1), decider, PERIOD if decider else None)

    assert (outlook.grants(supposed, delta), outlook.allowance(supposed)) == (grants, allowance)


def test_what_is_binary_is_granted_to_who_has_it_and_has_no_period() -> None:
    outlook = Outlook(FeatureType.BINARY, {}, [])
    having, lacking = (situation(FeatureType.BINARY, found, START) for found in ([candidate(None)], []))

    assert (having.period, outlook.grants(having, 1), outlook.allowance(having)) == (None, True, None)
    assert (outlook.grants(lacking, 1), outlook.allowance(lacking)) == (False, None)


def test_a_situation_has_the_winner_and_its_period_of_that_moment() -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)

    assert situation(FeatureType.CONSUMABLE, [candidate(5), candidate(10)], moment) == Situation(
        moment,
        candidate(10),
        Period(datetime(2026, 2, 28, 10, tzinfo=UTC), datetime(2026, 3, 31, 10, tzinfo=UTC)),
    )


@pytest.mark.parametrize(
    ("status", "ends_in_hours", "standing"),
    [
        (SubscriptionStatus.CANCELLED, None, SubscriptionStanding.ENDED),
        (SubscriptionStatus.CANCELLED, -1, SubscriptionStanding.ENDED),
        (SubscriptionStatus.ACTIVE, 0, SubscriptionStanding.ENDED),
        (SubscriptionStatus.PAST_DUE, -1, SubscriptionStanding.ENDED),
        (SubscriptionStatus.PAST_DUE, 1, SubscriptionStanding.INACTIVE),
        (SubscriptionStatus.UNPAID, None, SubscriptionStanding.INACTIVE),
        (SubscriptionStatus.INCOMPLETE, None, SubscriptionStanding.INACTIVE),
        (SubscriptionStatus.INCOMPLETE_EXPIRED, None, SubscriptionStanding.INACTIVE),
        (SubscriptionStatus.TRIALING, None, SubscriptionStanding.NOT_BEGUN),
        (SubscriptionStatus.ACTIVE, 1, SubscriptionStanding.NOT_BEGUN),
    ],
)
def test_what_does_not_count_has_ended_or_is_of_a_status_that_gives_nothing_or_begins_later(
    status: SubscriptionStatus, ends_in_hours: int | None, standing: SubscriptionStanding
) -> None:
    ends_at = None if ends_in_hours is None else later(ends_in_hours)

    assert why_idle(status, ends_at, START) is standing


@pytest.mark.parametrize(
    ("unit", "n", "words"),
    [
        (ResetPeriod.MONTH, 0, "from anchor + 0 × MONTH to anchor + 1 × MONTH (day clamped to 28)"),
        (ResetPeriod.MONTH, 1, "from anchor + 1 × MONTH (day clamped to 28) to anchor + 2 × MONTH"),
        (ResetPeriod.DAY, 3, "from anchor + 3 × DAY to anchor + 4 × DAY"),
        (ResetPeriod.YEAR, 0, "from anchor + 0 × YEAR to anchor + 1 × YEAR"),
    ],
)
def test_a_period_in_words_says_where_the_day_was_clamped(unit: ResetPeriod, n: int, words: str) -> None:
    assert period_in_words(START, unit, n) == words
