"""How many SQL statements an answer costs must not depend on how much it holds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from app import clock
from app.contract.billing import LinkPrice
from app.contract.packages import PackageFeatureTerms
from app.contract.reservations import ReserveUsage
from app.contract.shapes import PageRequest
from app.contract.usage import CheckAccess, RecordUsage, RecordUsages
from app.contract.usage_history import ReadUsageSeries
from app.domain.entitlements import FeatureType
from app.domain.usage_history import SeriesInterval
from app.services import batches, billing, entitlements, packages, subscriptions, usage
from app.services.explanations import explain
from app.services.reservations import reserve_usage
from app.services.usage_history import list_usage_events, usage_series
from tests.services.shop import EVERYTHING, SET, Shop, counted
from tests.tenants import new_tenant

MANY = 50


@contextmanager
def statements() -> Iterator[list[str]]:
    """Those that are sent while the block runs."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def cost(read: Callable[[], Any]) -> int:
    with statements() as sent:
        read()
    return len(sent)


@pytest.fixture(scope="module")
def full(product: str) -> Shop:
    """Fifty add-ons of three features with a price and a base each, and fifty users who have two packages each."""
    shop = Shop(new_tenant().actor)
    for number in range(2):
        shop.feature(f"feature-{number}")
    shop.feature("sso", FeatureType.BINARY)
    shop.package("base", counted(5, feature_id="feature-0"))
    terms = [counted(10, feature_id=f"feature-{number}") for number in range(2)]
    for number in range(MANY):
        package_id = f"addon-{number}"
        shop.addon(package_id, *terms, PackageFeatureTerms(id="sso"), base_package_ids=["base"])
        billing.link_price(
            shop.actor,
            LinkPrice(id=f"price-{number}", package_id=package_id, price_id="p", amount=1, currency="gbp"),
        )
    for number in range(MANY):
        user_id = f"user-{number}"
        shop.user(user_id)
        shop.subscribe("base", user_id=user_id)
        shop.subscribe(f"addon-{number}", user_id=user_id)
        shop.record(2, user_id=user_id, feature_id="feature-0")
    return shop


def test_reading_much_costs_as_many_statements_as_reading_little(full: Shop) -> None:
    actor = full.actor
    ids = [f"addon-{number}" for number in range(MANY)]
    feature_ids = [f"feature-{number}" for number in range(2)]
    costs = {
        "list_packages": [
            cost(lambda n=n: packages.list_packages(actor, PageRequest(limit=n, starting_after="base"), None))
            for n in (1, MANY)
        ],
        "packages_by_id": [cost(lambda n=n: packages.packages_by_id(actor, ids[:n])) for n in (1, MANY)],
        "packages_holding": [cost(lambda n=n: packages.packages_holding(actor, feature_ids[:n])) for n in (1, 2)],
        "list_subscriptions": [
            cost(lambda n=n: subscriptions.list_subscriptions(actor, PageRequest(limit=n), None)) for n in (1, 100)
        ],
        "list_billing_templates": [
            cost(lambda n=n: billing.list_billing_templates(actor, PageRequest(limit=n), None)) for n in (1, MANY)
        ],
    }
    assert costs == {
        "list_packages": [5, 5],  # where to go on from, the packages, their features, bases and prices
        "packages_by_id": [4, 4],
        "packages_holding": [5, 5],
        "list_subscriptions": [6, 6],
        "list_billing_templates": [2, 2],
    }
    assert len(packages.list_packages(actor, EVERYTHING, None).data) == MANY + 1


def test_checking_many_costs_as_many_statements_as_checking_one(full: Shop) -> None:
    questions = [(full.actor, CheckAccess(user_id=f"user-{number}", feature_id="feature-0")) for number in range(MANY)]
    # Every second user's counter stands for another period by now: its total comes from the ledger.
    for number in range(0, MANY, 2):
        for held in subscriptions.list_subscriptions(full.actor, EVERYTHING, f"user-{number}").data[1:]:
            full.cancel(held.id)

    one, many = (cost(lambda n=n: entitlements.check_many(questions[:n])) for n in (1, MANY))
    answers = entitlements.check_many(questions)
    # who and what with the counters, candidates, and the ledger where a counter stands for another period
    assert (one, many) == (3, 3)
    assert [answer.consumption.used for answer in answers] == [2] * MANY


def test_recording_many_costs_as_many_statements_as_recording_one(full: Shop) -> None:
    calls = [
        (full.actor, RecordUsage(user_id=f"user-{number}", feature_id="feature-0", idempotency_key=f"k-{number}"))
        for number in range(MANY)
    ]
    for number in range(MANY):
        full.record(
            0, SET, user_id=f"user-{number}", feature_id="feature-0"
        )  # counters are there, and far from any threshold

    one = cost(lambda: usage.record_many(calls[:1]))
    many = cost(lambda: usage.record_many(calls[1:]))

    # the locks, the keys, candidates; then the entries, their keys and the counters are written
    assert (one, many) == (4, 4)


@pytest.mark.parametrize("over_limit", [False, True])
def test_a_batch_of_many_costs_as_many_statements_as_a_batch_of_one(full: Shop, over_limit: bool) -> None:
    def batch(count: int) -> RecordUsages:
        events = [
            RecordUsage(
                user_id=f"user-{number}",
                feature_id="feature-0",
                delta=-1,  # nothing refuses it, whatever was used before
                idempotency_key=f"{over_limit}-{count}-{number}",
            )
            for number in range(count)
        ]
        if over_limit:
            events.append(RecordUsage(user_id="user-0", feature_id="feature-0", delta=2**31 - 1))
        return RecordUsages(events=events, all_or_nothing=True)

    for number in range(MANY):
        full.record(1, user_id=f"user-{number}", feature_id="feature-0")  # counters of this period are there

    costs = [cost(lambda n=n: batches.record_batch(full.actor, batch(n))) for n in (1, MANY)]

    # the locks, the keys, candidates; then all is written; and whether somebody wants to know that a limit was reached
    assert costs == ([5, 5] if over_limit else [4, 4])


def test_reading_a_long_ledger_costs_as_many_statements_as_a_short_one(full: Shop) -> None:
    actor = full.actor
    for _ in range(MANY):
        full.record(-1, user_id="user-1", feature_id="feature-0")
    few, many = "user-0", "user-1"
    start = clock.now() - timedelta(days=30)

    def series(user_id: str, hours: int) -> ReadUsageSeries:
        end = start + timedelta(hours=hours)
        return ReadUsageSeries(
            user_id=user_id, feature_id="feature-0", start=start, end=end, interval=SeriesInterval.HOUR
        )

    costs = {
        "list_usage_events": [
            cost(lambda id_=id_, n=n: list_usage_events(actor, PageRequest(limit=n), id_, "feature-0"))
            for id_, n in ((few, 1), (many, 100))
        ],
        "usage_series": [
            cost(lambda id_=id_, n=n: usage_series(actor, series(id_, n))) for id_, n in ((few, 1), (many, 999))
        ],
    }

    # who and what, how to plan, and the ledger
    assert costs == {"list_usage_events": [3, 3], "usage_series": [2, 2]}


def test_explaining_much_costs_as_many_statements_as_explaining_little(full: Shop) -> None:
    """Subscriptions that hold the feature, reservations, events and offers: few of each, and many."""
    for user_id, many in (("few", 1), ("many", MANY)):
        full.user(user_id)
        full.subscribe("base", user_id=user_id)
        for number in range(many):
            held = full.subscribe(f"addon-{number}", user_id=user_id)
            if number:
                full.cancel(held[0].id)
            full.record(-1, user_id=user_id, feature_id="feature-1")
            command = ReserveUsage(user_id=user_id, feature_id="feature-1", delta=1)
            reserve_usage(full.actor, command)
    for number in range(MANY):
        full.addon(f"more-{number}", counted(20, feature_id="feature-1"))
        full.package(f"max-{number}", counted(20, feature_id="feature-0"))

    def explaining(user_id: str, feature_id: str) -> int:
        command = CheckAccess(user_id=user_id, feature_id=feature_id, delta=3)
        return cost(lambda: explain(full.actor, command))

    # who and what, candidates, what is held and by whom; candidates later; packages on sale, what the user has and what goes
    # with it; the ledger's totals; all subscriptions, the sums, what is dated ahead
    assert (explaining("few", "feature-1"), explaining("many", "feature-1")) == (12, 12)
