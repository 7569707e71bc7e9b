"""What Stripe's words for a subscription are in ours."""

from datetime import UTC, datetime

import pytest

from app.domain.stripe_subscriptions import end_of, status_of
from app.domain.subscribing import SubscriptionStatus
from app.gateways.billing_shapes import SubscriptionStatus as StripeStatus

NOW, ENDED, CANCEL_AT, PERIOD_END = (datetime(2026, 11, day, tzinfo=UTC) for day in (5, 1, 20, 30))


WORDS = {
    "active": "ACTIVE",
    "trialing": "TRIALING",
    "past_due": "PAST_DUE",
    "unpaid": "UNPAID",
    "paused": "UNPAID",
    "incomplete": "INCOMPLETE",
    "incomplete_expired": "INCOMPLETE_EXPIRED",
    "canceled": "CANCELLED",
    "unknown": "UNPAID",
    "enchanted": "UNPAID",
}


@pytest.mark.parametrize(("word", "status"), WORDS.items())
def test_each_word_has_a_status_and_a_new_one_gives_no_access(word: str, status: str) -> None:
    assert status_of(word) == status


def test_every_word_that_the_gateway_knows_is_in_the_table_above() -> None:
    assert WORDS.keys() == {*StripeStatus, "enchanted"}
    assert set(WORDS.values()) == set(SubscriptionStatus)


@pytest.mark.parametrize(
    ("status", "ended_at", "cancel_at", "at_period_end", "end"),
    [
        ("ACTIVE", None, None, None, None),
        ("ACTIVE", None, None, PERIOD_END, PERIOD_END),
        ("ACTIVE", None, CANCEL_AT, PERIOD_END, CANCEL_AT),
        ("TRIALING", None, CANCEL_AT, None, CANCEL_AT),
        ("PAST_DUE", None, None, PERIOD_END, PERIOD_END),
        ("CANCELLED", ENDED, CANCEL_AT, PERIOD_END, ENDED),
        ("CANCELLED", None, CANCEL_AT, None, NOW),
        ("INCOMPLETE_EXPIRED", ENDED, None, None, ENDED),
    ],
)
def test_it_ends_when_it_ended_or_as_is_arranged(
    status: str,
    ended_at: datetime | None,
    cancel_at: datetime | None,
    at_period_end: datetime | None,
    end: datetime | None,
) -> None:
    found = end_of(
        SubscriptionStatus(status), ended_at=ended_at, cancel_at=cancel_at, at_period_end=at_period_end, now=NOW
    )
    assert found == end
