"""Webhook endpoints: where a tenant's webhooks go."""

from datetime import timedelta

from msgspec import UNSET
from sqlmodel import Session

from app import clock, models
from app.contract.actors import Actor
from app.contract.shapes import Page, PageRequest
from app.contract.webhooks import ENDPOINTS_MAX, CreateWebhookEndpoint, UpdateWebhookEndpoint, WebhookEndpoint
from app.db import transaction
from app.domain.webhook_urls import check_webhook_url
from app.domain.webhooks import EndpointStatus, WebhookEventType
from app.errors import WebhookEndpointNotFoundError, WebhookError
from app.queries import webhooks as queries
from app.queries.tenants import locked_tenant
from app.services.paging import key_after
from app.services.row_ids import number_of
from app.services.webhook_secrets import new_salt, secret_of
from app.settings import settings

ROLL_OVERLAP = timedelta(hours=24)
"""For how long a secret that was rolled goes on signing."""

SWITCHED_OFF = "The endpoint was disabled."


def create_webhook_endpoint(actor: Actor, command: CreateWebhookEndpoint) -> WebhookEndpoint:
    """With its secret, which is shown here and by a roll, and nowhere else.

    Raises:
        InvalidInputError: webhooks cannot go to this URL.
        WebhookError: the tenant has as many endpoints as it can have.
    """
    _check_url(command.url)
    now = clock.now()
    row = models.WebhookEndpoint(
        tenant_id=actor.tenant_id,
        url=command.url,
        description=command.description,
        event_types=_stored_types(command.event_types),
        status=EndpointStatus.ENABLED,
        salt=new_salt(),
        created_at=now,
        updated_at=now,
    )
    with transaction() as session:
        locked_tenant(session, actor.tenant_id)
        if queries.count_endpoints(session, actor.tenant_id) >= ENDPOINTS_MAX:
            raise WebhookError(f"There can be at most {ENDPOINTS_MAX} webhook endpoints: delete one first.")
        session.add(row)
    return _view(row, with_secret=True)


def update_webhook_endpoint(actor: Actor, endpoint_id: str, command: UpdateWebhookEndpoint) -> WebhookEndpoint:
    """Absent fields stay. What waits for an endpoint that is disabled is given up, until it is enabled and asked for again.

    Raises:
        WebhookEndpointNotFoundError: the tenant has none with this id.
        InvalidInputError: webhooks cannot go to this URL.
    """
    if command.url is not UNSET:
        _check_url(command.url)
    with transaction() as session:
        row = _locked(session, actor, endpoint_id)
        row.updated_at = clock.now()
        if command.url is not UNSET:
            row.url = command.url
        if command.description is not UNSET:
            row.description = command.description
        if command.event_types is not UNSET:
            row.event_types = _stored_types(command.event_types)
        if command.status is not UNSET and command.status is not row.status:
            _switch(session, row, command.status)
    return _view(row)


def delete_webhook_endpoint(actor: Actor, endpoint_id: str) -> WebhookEndpoint:
    """Delete an endpoint with everything that was or would be sent to it, and return what it was.

    Raises:
        WebhookEndpointNotFoundError: the tenant has none with this id.
    """
    with transaction() as session:
        row = _locked(session, actor, endpoint_id, for_delete=True)
        view = _view(row)
        session.delete(row)
    return view


def roll_webhook_secret(actor: Actor, endpoint_id: str) -> WebhookEndpoint:
    """Sign with a new secret, which is in the answer. The one before signs too for 24 hours; any older one no more.

    Raises:
        WebhookEndpointNotFoundError: the tenant has none with this id.
    """
    with transaction() as session:
        row = _locked(session, actor, endpoint_id)
        row.updated_at = clock.now()
        row.previous_salt, row.previous_until = row.salt, row.updated_at + ROLL_OVERLAP
        row.salt = new_salt()
    return _view(row, with_secret=True)


def get_webhook_endpoint(actor: Actor, endpoint_id: str) -> WebhookEndpoint:
    """Raises WebhookEndpointNotFoundError."""
    with transaction() as session:
        row = queries.endpoint_by_id(session, actor.tenant_id, endpoint_number(endpoint_id))
        if row is None:
            raise WebhookEndpointNotFoundError
        return _view(row)


def list_webhook_endpoints(actor: Actor, page: PageRequest) -> Page[WebhookEndpoint]:
    """Oldest first. Raises InvalidInputError if the page starts after an unknown id."""
    with transaction() as session:
        after = key_after(page.starting_after, lambda id_: _key_of(session, actor, id_))
        rows, has_more = queries.endpoints_page(session, actor.tenant_id, after, page.limit)
        return Page(data=[_view(row) for row in rows], has_more=has_more)


def switch_off(session: Session, row: models.WebhookEndpoint, reason: str | None) -> None:
    """Disable an endpoint that is locked. What waits for it is given up. No `reason`: the tenant did it."""
    row.status, row.disabled_reason = EndpointStatus.DISABLED, reason
    queries.give_up(session, row, reason or SWITCHED_OFF, clock.now())


def endpoint_number(endpoint_id: str) -> int:
    """The number of an endpoint's row. Raises WebhookEndpointNotFoundError for what no endpoint is called."""
    number = number_of(endpoint_id)
    if number is None:
        raise WebhookEndpointNotFoundError
    return number


def _switch(session: Session, row: models.WebhookEndpoint, status: EndpointStatus) -> None:
    if status is EndpointStatus.DISABLED:
        switch_off(session, row, None)
        return
    row.status, row.disabled_reason = status, None
    row.failing_since, row.failures = None, 0


def _locked(session: Session, actor: Actor, endpoint_id: str, *, for_delete: bool = False) -> models.WebhookEndpoint:
    number = endpoint_number(endpoint_id)
    row = queries.locked_endpoint(session, actor.tenant_id, number, for_delete=for_delete)
    if row is None:
        raise WebhookEndpointNotFoundError
    return row


def _key_of(session: Session, actor: Actor, endpoint_id: str) -> int | None:
    number = number_of(endpoint_id)
    row = None if number is None else queries.endpoint_by_id(session, actor.tenant_id, number)
    return row.id if row else None


def _check_url(url: str) -> None:
    check_webhook_url("url", url, allow_private=settings().webhook_allow_private)


def _stored_types(event_types: list[WebhookEventType] | None) -> list[str]:
    return [event_type.value for event_type in event_types or ()]


def _view(row: models.WebhookEndpoint, *, with_secret: bool = False) -> WebhookEndpoint:
    rolled_until = row.previous_until if row.previous_until and row.previous_until > clock.now() else None
    return WebhookEndpoint(
        id=str(row.id),
        url=row.url,
        description=row.description,
        event_types=[WebhookEventType(event_type) for event_type in row.event_types],
        status=row.status,
        disabled_reason=row.disabled_reason,
        failing_since=clock.to_wire(row.failing_since) if row.failing_since else None,
        secret=secret_of(row.salt) if with_secret else None,
        previous_secret_until=clock.to_wire(rolled_until) if rolled_until else None,
        created_at=clock.to_wire(row.created_at),
        updated_at=clock.to_wire(row.updated_at),
    )
