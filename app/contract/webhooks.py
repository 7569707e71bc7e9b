"""Webhooks that we send: where they go, and what became of each."""

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from app.contract.shapes import Command, Timestamp, View
from app.domain.values import check_optional_text
from app.domain.webhooks import DeliveryStatus, EndpointStatus, WebhookEventType
from app.errors import InvalidInputError

ENDPOINTS_MAX: Final = 20
REDELIVERED_MAX: Final = 10_000


class CreateWebhookEndpoint(Command):
    """Without `event_types` it gets all of them, those to come included."""

    url: str
    event_types: list[WebhookEventType] | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        _check(self.event_types, self.description)


class UpdateWebhookEndpoint(Command):
    """Absent fields stay as they are. Null or no `event_types` are all of them."""

    url: str | UnsetType = UNSET
    event_types: list[WebhookEventType] | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    status: EndpointStatus | UnsetType = UNSET

    def __post_init__(self) -> None:
        _check(self.event_types, self.description)


def _check(event_types: list[WebhookEventType] | UnsetType | None, description: object) -> None:
    check_optional_text("description", description)
    if isinstance(event_types, list):
        for position, event_type in enumerate(event_types):
            if event_type in event_types[:position]:
                raise InvalidInputError(f"eventTypes[{position}]", f"repeats {event_type.value!r}")


class WebhookEndpoint(View):
    """No `event_types` are all of them. `secret` is shown once: by what made it. `failing_since`: nothing has worked since."""

    id: str
    url: str
    description: str | None
    event_types: list[WebhookEventType]
    status: EndpointStatus
    disabled_reason: str | None
    failing_since: Timestamp | None
    secret: str | None
    previous_secret_until: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


class WebhookDelivery(View):
    """One message on its way to one endpoint. A message has the same id and content at every endpoint and attempt."""

    id: str
    endpoint_id: str
    message_id: str
    event_type: WebhookEventType
    user_id: str | None
    status: DeliveryStatus
    attempts: int
    next_attempt_at: Timestamp | None
    last_attempt_at: Timestamp | None
    last_status_code: int | None
    last_error: str | None
    created_at: Timestamp
    settled_at: Timestamp | None
    data: Annotated[Any, Meta(description="what is told")]


class RedeliveredWebhooks(View):
    """How many are on their way again."""

    count: int
