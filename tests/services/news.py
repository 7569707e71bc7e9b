"""What webhook endpoints are told."""

from typing import Any

from sqlmodel import Session

from app import clock
from app.db import engine
from app.domain.webhooks import EndpointStatus, WebhookEventType
from app.models import WebhookEndpoint
from tests.services.shop import Shop


def listen(shop: Shop, *types: WebhookEventType) -> None:
    """From now on an endpoint of the shop wants to be told of these, or of everything."""
    with Session(engine()) as session:
        session.add(
            WebhookEndpoint(
                tenant_id=shop.actor.tenant_id,
                url="https://hooks.example.test/",
                event_types=list(types),
                status=EndpointStatus.ENABLED,
                salt=b"salt",
                created_at=clock.now(),
                updated_at=clock.now(),
            )
        )
        session.commit()


def told(shop: Shop) -> list[tuple[str, Any]]:
    """(type, data) of all messages so far, in order."""
    return [(row[2], row[5]) for row in shop.rows("webhook_messages")["webhook_messages"]]
