"""The proof itself: books that are wrong in any one way are found out."""

import psycopg
import pytest

from app.contract.reservations import ReserveUsage
from app.contract.usage import RecordUsage
from app.services import reservations, reverts, usage
from tests.races.books import Books
from tests.races.proof import Proved, prove
from tests.races.shop import FEATURE, Shop
from tests.tenants import Tenant


@pytest.fixture
def tenant_id(tenant: Tenant, shop: Shop) -> int:
    """Three events of one user, one taken back, one refused; and a reservation."""
    user = shop.user(shop.package(shop.feature(FEATURE), limit=10))
    first, *_ = [
        usage.record_usage(
            tenant.actor, RecordUsage(user_id=user, feature_id=FEATURE, delta=delta, idempotency_key=f"key-{delta}")
        )
        for delta in (3, 4, 9)
    ]
    reverts.revert_usage(tenant.actor, first.event_id)
    reservations.reserve_usage(tenant.actor, ReserveUsage(user_id=user, feature_id=FEATURE, delta=5))
    return tenant.actor.tenant_id


def test_right_books_are_proved(tenant_id: int, books: Books) -> None:
    assert prove(books.database_url, tenant_id) == Proved(counters=1, used=4, keys=3)


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE consumptions SET used = used + 1",
        "UPDATE consumptions SET held_until = NULL",
        "UPDATE usage_events SET applied = applied + 1 WHERE delta = 4",
        "UPDATE usage_events SET applied = 1 WHERE NOT recorded",
        "DELETE FROM usage_events WHERE delta = 4",
        "UPDATE usage_events SET idempotency_key = 'another' WHERE delta = 4",
        "DELETE FROM idempotency_keys",
        "UPDATE usage_events SET delta = -2 WHERE reverts_id IS NOT NULL",
        "UPDATE reservations SET status = 'COMMITTED'",
        "UPDATE package_features SET usage_limit = 8",
        "UPDATE consumptions SET used = 11",
    ],
)
def test_wrong_books_are_found_out(tenant_id: int, books: Books, wrong: str) -> None:
    with psycopg.connect(books.database_url, autocommit=True) as connection:
        joint = "AND" if "WHERE" in wrong else "WHERE"
        assert connection.execute(f"{wrong} {joint} tenant_id = %s", (tenant_id,)).rowcount > 0

    with pytest.raises(AssertionError):
        prove(books.database_url, tenant_id)
