"""Webhooks that we send: where to, what, and what became of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Column, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.domain.webhooks import DeliveryStatus, EndpointStatus, WebhookEventType
from app.models.columns import choice, generated_key, moment, text_column, within_tenant


class WebhookEndpoint(SQLModel, table=True):
    """Where a tenant's webhooks go. No `event_types` means all of them.

    Signed with a secret that is derived from `salt` and SECRET_KEY, so a copy of this table signs nothing. After a roll the
    previous one signs as well until `previous_until`. `failing_since`: the first failure after the last success, and
    `failures`: how many there were since then.
    """

    __tablename__ = "webhook_endpoints"

    tenant_id: int = Field(foreign_key="tenants.id", primary_key=True)
    id: int = Field(default=None, sa_column=generated_key())
    url: str = Field(sa_column=text_column(nullable=False))
    description: str | None = Field(default=None, sa_column=text_column())
    event_types: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    status: EndpointStatus = Field(sa_column=choice(EndpointStatus, "status"))
    disabled_reason: str | None = Field(default=None, sa_column=text_column())
    failing_since: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    failures: int = 0
    salt: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    previous_salt: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    previous_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())


class WebhookMessage(SQLModel, table=True):
    """Something that happened, written in the transaction in which it did. `once_key`: what may be told only once has one."""

    __tablename__ = "webhook_messages"
    __table_args__ = (
        Index(None, "tenant_id", "created_at"),
        Index(
            "uq_webhook_messages_tenant_id_once_key",
            "tenant_id",
            "once_key",
            unique=True,
            postgresql_where=text("once_key IS NOT NULL"),
        ),
    )

    tenant_id: int = Field(primary_key=True)
    id: int = Field(default=None, sa_column=generated_key())
    type: WebhookEventType = Field(sa_column=choice(WebhookEventType, "type"))
    user_key: int | None = Field(default=None, sa_type=BigInteger)
    once_key: str | None = Field(default=None, sa_column=text_column())
    data: Any = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(sa_column=moment())


class WebhookDelivery(SQLModel, table=True):
    """One message on its way to one endpoint. PENDING ones are sent at `next_attempt_at`, a user's in the order of their ids.

    Who takes one to send it moves `next_attempt_at` on first, past the time that sending may take: if the worker dies, it is
    due again then.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        within_tenant("endpoint_id", "webhook_endpoints.id", on_delete="CASCADE"),
        within_tenant("message_id", "webhook_messages.id", on_delete="CASCADE"),
        Index(None, "tenant_id", "message_id"),
        Index("ix_webhook_deliveries_tenant_id_endpoint_id", "tenant_id", "endpoint_id", "id"),
        Index("ix_webhook_deliveries_dead", "tenant_id", "endpoint_id", "id", postgresql_where=text("status = 'DEAD'")),
        Index(
            "ix_webhook_deliveries_tenant_id_endpoint_id_next_attempt_at_id",
            "tenant_id",
            "endpoint_id",
            "next_attempt_at",
            "id",
            postgresql_where=text("status = 'PENDING'"),
        ),
        Index(
            "ix_webhook_deliveries_tenant_id_user_key",
            "tenant_id",
            "endpoint_id",
            "user_key",
            "id",
            postgresql_where=text("status = 'PENDING'"),
        ),
        Index(
            "ix_webhook_deliveries_tenant_id_settled_at",
            "tenant_id",
            "settled_at",
            postgresql_where=text("status = 'DEAD'"),
        ),
    )

    tenant_id: int = Field(primary_key=True)
    id: int = Field(default=None, sa_column=generated_key())
    endpoint_id: int = Field(sa_type=BigInteger)
    message_id: int = Field(sa_type=BigInteger)
    user_key: int | None = Field(default=None, sa_type=BigInteger)
    status: DeliveryStatus = Field(sa_column=choice(DeliveryStatus, "status"))
    attempts: int = 0
    next_attempt_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    last_attempt_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    last_status_code: int | None = None
    last_error: str | None = Field(default=None, sa_column=text_column())
    settled_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
