"""The states of links to pay by: where they can go, and when they are looked at again."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.billing import SubscriptionLinkStatus as Status
from app.domain.billing import link_id_of, may_become, next_look

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ID = "0192f1c4-7a52-4d5e-9c3b-8a1d2e3f4a5b"


@pytest.mark.parametrize(
    ("status", "next_ones"),
    [
        (Status.PENDING, {Status.UNPAID, Status.PAID, Status.FAILED}),
        (Status.OPEN, {Status.UNPAID, Status.PAID, Status.EXPIRED, Status.FAILED}),
        (Status.UNPAID, {Status.PAID, Status.FAILED}),
        (Status.EXPIRED, {Status.UNPAID, Status.PAID, Status.FAILED}),
        (Status.FAILED, {Status.PAID}),
        (Status.PAID, set()),
    ],
)
def test_a_link_goes_on_and_a_payment_overrules_everything(status: Status, next_ones: set[Status]) -> None:
    assert {seen for seen in Status if may_become(status, seen)} == next_ones


@pytest.mark.parametrize(
    ("status", "closes_in", "looked_at_in"),
    [
        (Status.OPEN, timedelta(hours=24), timedelta(hours=6)),
        (Status.OPEN, timedelta(hours=3), timedelta(hours=3, minutes=2)),
        (Status.OPEN, timedelta(minutes=-5), timedelta(minutes=10)),
        (Status.EXPIRED, timedelta(minutes=20), timedelta(minutes=22)),
        (Status.UNPAID, timedelta(days=-3), timedelta(hours=1)),
        (Status.PAID, timedelta(hours=24), None),
        (Status.FAILED, timedelta(hours=24), None),
    ],
)
def test_a_link_is_looked_at_when_something_may_have_come_of_it(
    status: Status, closes_in: timedelta, looked_at_in: timedelta | None
) -> None:
    assert next_look(status, NOW, NOW + closes_in) == (looked_at_in and NOW + looked_at_in)


@pytest.mark.parametrize("text", [None, "", "not-one", ID.upper(), f"{{{ID}}}", ID.replace("-", "")])
def test_only_an_id_as_it_was_given_out_is_one(text: str | None) -> None:
    assert str(link_id_of(ID)) == ID
    assert link_id_of(text) is None
