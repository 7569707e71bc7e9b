"""The outbox: told if and only if it happened."""

import pytest
from sqlalchemy import text
from sqlmodel import Session

from app import models
from app.contract.webhook_events import UsageReset
from app.db import engine, transaction
from app.domain.webhooks import WebhookEventType
from app.errors import FeatureNotFoundError
from app.queries.outbox import Announcement
from app.services import outbox
from tests.services.shop import Shop
from tests.services.told import listen, told

RESET = UsageReset(
    user_id="ada",
    feature_id="calls",
    used=3,
    limit=None,
    overage_enabled=False,
    period_start="2026-02-05T10:00:00.000Z",
    period_end="2026-03-05T10:00:00.000Z",
)


def announce(session: Session, shop: Shop, once_key: str | None = None) -> None:
    announcement = Announcement(shop.actor.tenant_id, WebhookEventType.USAGE_RESET, None, RESET, once_key)
    outbox.announce(session, [announcement])


def announce_and_fail(shop: Shop) -> None:
    with transaction() as session:
        announce(session, shop)
        raise FeatureNotFoundError


def test_what_is_rolled_back_is_not_told(shop: Shop) -> None:
    listen(shop)
    with pytest.raises(FeatureNotFoundError):
        announce_and_fail(shop)
    assert told(shop) == []


def test_what_may_be_told_once_is_told_once(shop: Shop) -> None:
    listen(shop)
    for _ in range(2):
        with transaction() as session:
            announce(session, shop, "k")
            announce(session, shop)
    assert told(shop) == [("usage.reset", None, 3)] * 3


def test_an_endpoint_that_is_being_deleted_holds_nobody_up_and_is_told_nothing(shop: Shop) -> None:
    kept, leaving = listen(shop), listen(shop)
    with transaction() as session:
        session.delete(session.get_one(models.WebhookEndpoint, (shop.actor.tenant_id, leaving)))
        session.flush()
        with transaction() as other:
            announce(other, shop)
    with engine().connect() as connection:
        statement = text("SELECT endpoint_id FROM webhook_deliveries WHERE tenant_id = :id")
        assert connection.execute(statement, {"id": shop.actor.tenant_id}).scalars().all() == [kept]
