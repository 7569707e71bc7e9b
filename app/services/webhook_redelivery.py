"""What became of webhooks, and sending them again. What was given up stays here until then: it is the dead-letter list."""

from datetime import datetime

from sqlmodel import Session

from app import clock, jobs, models
from app.contract.actors import Actor
from app.contract.shapes import Page, PageRequest
from app.contract.webhook_events import WebhookTest
from app.contract.webhooks import REDELIVERED_MAX, RedeliveredWebhooks, WebhookDelivery
from app.db import transaction
from app.domain.webhooks import DeliveryStatus, EndpointStatus, WebhookEventType
from app.errors import WebhookDeliveryNotFoundError, WebhookEndpointNotFoundError, WebhookError
from app.queries import outbox
from app.queries import webhooks as queries
from app.queries.webhooks import Sent
from app.services.paging import key_after
from app.services.row_ids import number_of
from app.services.webhooks import endpoint_number


def list_webhook_deliveries(
    actor: Actor, page: PageRequest, endpoint_id: str, status: DeliveryStatus | None = None
) -> Page[WebhookDelivery]:
    """What was sent to an endpoint or waits for it, newest first; of one status or of all.

    Raises:
        WebhookEndpointNotFoundError: the tenant has none with this id.
        InvalidInputError: the page starts after a delivery that is not of this endpoint.
    """
    number = endpoint_number(endpoint_id)
    with transaction() as session:
        if queries.endpoint_by_id(session, actor.tenant_id, number) is None:
            raise WebhookEndpointNotFoundError
        after = key_after(page.starting_after, lambda id_: _key_of(session, actor, number, id_))
        sent, has_more = queries.newest_sent(session, actor.tenant_id, number, status, after, page.limit)
        return Page(data=[_view(each) for each in sent], has_more=has_more)


def redeliver_webhook(actor: Actor, delivery_id: str) -> WebhookDelivery:
    """Send once more what was delivered or given up, with the same message id, and with all attempts before it.

    A later webhook of the same user waits for it.

    Raises:
        WebhookDeliveryNotFoundError: the tenant has none with this id.
        WebhookError: it is on its way already, or its endpoint is disabled.
    """
    number = number_of(delivery_id)
    with transaction() as session:
        sent = None if number is None else queries.sent_by_id(session, actor.tenant_id, number)
        if sent is None:
            raise WebhookDeliveryNotFoundError
        _enabled(session, actor, sent.delivery.endpoint_id)
        row = queries.locked_delivery(session, actor.tenant_id, sent.delivery.id)
        if row is None:
            raise WebhookDeliveryNotFoundError
        if row.status is DeliveryStatus.PENDING:
            raise WebhookError(f"Webhook delivery {delivery_id} is on its way already.")
        row.status, row.attempts = DeliveryStatus.PENDING, 0
        row.next_attempt_at, row.settled_at = clock.now(), None
        session.flush()
        jobs.enqueue(session, jobs.DELIVER_WEBHOOKS)
    return _view(sent)


def redeliver_dead_webhooks(actor: Actor, endpoint_id: str) -> RedeliveredWebhooks:
    """Send again what was given up of an endpoint: the oldest 10,000 in one call.

    Raises:
        WebhookEndpointNotFoundError: the tenant has none with this id.
        WebhookError: it is disabled.
    """
    with transaction() as session:
        endpoint = _enabled(session, actor, endpoint_number(endpoint_id))
        count = queries.revive(session, endpoint, REDELIVERED_MAX, clock.now())
        jobs.enqueue(session, jobs.DELIVER_WEBHOOKS)
    return RedeliveredWebhooks(count=count)


def send_test_webhook(actor: Actor, endpoint_id: str) -> WebhookDelivery:
    """Send a `webhook.test` to one endpoint, whatever it wants to be told.

    Raises:
        WebhookEndpointNotFoundError: the tenant has none with this id.
        WebhookError: it is disabled.
    """
    with transaction() as session:
        endpoint = _enabled(session, actor, endpoint_number(endpoint_id))
        announcement = outbox.Announcement(
            actor.tenant_id, WebhookEventType.WEBHOOK_TEST, None, WebhookTest(endpoint_id=str(endpoint.id))
        )
        delivery_id = outbox.append_to(session, endpoint.id, announcement, clock.now())
        jobs.enqueue(session, jobs.DELIVER_WEBHOOKS)
        sent = queries.sent_by_id(session, actor.tenant_id, delivery_id)
    if sent is None:
        raise WebhookDeliveryNotFoundError
    return _view(sent)


def _enabled(session: Session, actor: Actor, endpoint_id: int) -> models.WebhookEndpoint:
    row = queries.locked_endpoint(session, actor.tenant_id, endpoint_id)
    if row is None:
        raise WebhookEndpointNotFoundError
    if row.status is EndpointStatus.DISABLED:
        raise WebhookError(f"Webhook endpoint {row.id} is disabled: enable it first.")
    return row


def _key_of(session: Session, actor: Actor, endpoint_id: int, delivery_id: str) -> int | None:
    number = number_of(delivery_id)
    sent = None if number is None else queries.sent_by_id(session, actor.tenant_id, number)
    return sent.delivery.id if sent and sent.delivery.endpoint_id == endpoint_id else None


def _view(sent: Sent) -> WebhookDelivery:
    row, message = sent.delivery, sent.message
    return WebhookDelivery(
        id=str(row.id),
        endpoint_id=str(row.endpoint_id),
        message_id=f"msg_{message.id}",
        event_type=message.type,
        user_id=sent.user_id,
        status=row.status,
        attempts=row.attempts,
        next_attempt_at=_shown(row.next_attempt_at),
        last_attempt_at=_shown(row.last_attempt_at),
        last_status_code=row.last_status_code,
        last_error=row.last_error,
        created_at=clock.to_wire(message.created_at),
        settled_at=_shown(row.settled_at),
        data=message.data,
    )


def _shown(moment: datetime | None) -> str | None:
    return clock.to_wire(moment) if moment else None
