"""What the outbox of a shop holds."""

import secrets
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from app import clock, models
from app.db import engine, transaction
from app.domain.webhooks import EndpointStatus
from tests.services.shop import Shop


def listen(shop: Shop, *event_types: str, url: str = "https://example.com/hook") -> int:
    """The id of a new endpoint that wants these, or all."""
    now = clock.now()
    endpoint = models.WebhookEndpoint(
        tenant_id=shop.actor.tenant_id,
        url=url,
        event_types=list(event_types),
        status=EndpointStatus.ENABLED,
        salt=secrets.token_bytes(32),
        created_at=now,
        updated_at=now,
    )
    with transaction() as session:
        session.add(endpoint)
        session.flush()
        return endpoint.id


def messages(shop: Shop) -> list[tuple[str, dict[str, Any]]]:
    """(type, data) of all messages, in the order in which they are told."""
    statement = text("SELECT type, data FROM webhook_messages WHERE tenant_id = :id ORDER BY id")
    with Session(engine()) as session:
        rows = session.connection().execute(statement, {"id": shop.actor.tenant_id})
        return [(type_, data) for type_, data in rows]


def told(shop: Shop) -> list[tuple[str, int | None, int]]:
    """(type, threshold, used) of all messages."""
    return [(type_, data.get("threshold"), data["used"]) for type_, data in messages(shop)]
