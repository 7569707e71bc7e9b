"""What packages cost at a payment provider, and the links that people pay by."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, UniqueConstraint, Uuid, text
from sqlmodel import Field, SQLModel

from app.domain.billing import BillingTemplateStatus, SubscriptionLinkStatus
from app.models.columns import choice, moment, text_column, within_tenant


class BillingTemplate(SQLModel, table=True):
    """A package's price at a payment provider. `interval` null: paid once.

    While it is PENDING a worker makes the price or looks it up, so price, amount and currency may be unknown. `making_id` names
    to the provider what we make, and is null for a price that was there before; `attempt` goes up when a try must not be
    repeated. `sent_at`: when a worker was told last. With a `metered_feature_key` it is what a unit of that feature costs beyond
    the limit: it is not sold by itself, but goes with the package's other prices of the same currency and interval.
    """

    __tablename__ = "billing_templates"
    __table_args__ = (
        within_tenant("package_key", "packages.key", on_delete="CASCADE"),
        within_tenant("metered_feature_key", "features.key", on_delete="CASCADE"),
        UniqueConstraint("tenant_id", "key"),
        Index(None, "tenant_id", "package_key"),
        Index(None, "tenant_id", "price_id"),
        Index(
            "ix_billing_templates_tenant_id_metered_feature_key",
            "tenant_id",
            "metered_feature_key",
            postgresql_where=text("metered_feature_key IS NOT NULL"),
        ),
        Index(
            "ix_billing_templates_tenant_id_sent_at",
            "tenant_id",
            "sent_at",
            postgresql_where=text("status = 'PENDING'"),
        ),
    )

    tenant_id: int = Field(primary_key=True)
    id: str = Field(sa_column=Column(text_column().type, primary_key=True))
    key: int = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), nullable=False))
    package_key: int = Field(sa_type=BigInteger)
    metered_feature_key: int | None = Field(default=None, sa_type=BigInteger)
    provider: str = Field(sa_column=text_column(nullable=False))
    status: BillingTemplateStatus = Field(sa_column=choice(BillingTemplateStatus, "status", default="ACTIVE"))
    error: str | None = Field(default=None, sa_column=text_column())
    price_id: str | None = Field(default=None, sa_column=text_column())
    product_id: str | None = Field(default=None, sa_column=text_column())
    amount_minor: int | None = Field(default=None, sa_type=BigInteger)
    currency: str | None = Field(default=None, sa_column=text_column())
    interval: str | None = Field(default=None, sa_column=text_column())
    making_id: UUID | None = Field(default=None, sa_type=Uuid)
    attempt: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    created_at: datetime = Field(sa_column=moment())
    sent_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class CheckoutLink(SQLModel, table=True):
    """One page of the provider's on which somebody can pay, and what became of it.

    While it is PENDING a worker has the page made, in `attempt`s that each have an idempotency key. `fingerprint` says which
    wishes are the same: of a known user's there is one that is PENDING or OPEN.

    `look_at`: when its page is to be looked at, null if nothing can come of it any more. An EXPIRED link can have one too: we
    give it out no more, and its page is not closed yet. `bought_id`: the provider's subscription, or the session of what was paid
    once, that came of it. Then `user_key` of an anonymous buyer is known.
    """

    __tablename__ = "checkout_links"
    __table_args__ = (
        within_tenant("user_key", "users.key"),
        within_tenant("template_key", "billing_templates.key"),
        Index(
            "uq_checkout_links_tenant_id_fingerprint",
            "tenant_id",
            "fingerprint",
            unique=True,
            postgresql_where=text("status IN ('PENDING', 'OPEN') AND user_key IS NOT NULL"),
        ),
        Index(
            "uq_checkout_links_tenant_id_session_id",
            "tenant_id",
            "session_id",
            unique=True,
            postgresql_where=text("session_id IS NOT NULL"),
        ),
        Index(
            "ix_checkout_links_tenant_id_sent_at",
            "tenant_id",
            "sent_at",
            postgresql_where=text("status = 'PENDING'"),
        ),
        Index(
            "ix_checkout_links_tenant_id_look_at", "tenant_id", "look_at", postgresql_where=text("look_at IS NOT NULL")
        ),
        Index(
            "ix_checkout_links_tenant_id_updated_at",
            "tenant_id",
            "updated_at",
            postgresql_where=text("look_at IS NULL"),
        ),
        Index(None, "tenant_id", "user_key"),
        Index(None, "tenant_id", "template_key"),
    )

    tenant_id: int = Field(foreign_key="tenants.id", primary_key=True)
    id: UUID = Field(primary_key=True, sa_type=Uuid)
    user_key: int | None = Field(default=None, sa_type=BigInteger)
    template_key: int = Field(sa_type=BigInteger)
    price_id: str = Field(sa_column=text_column(nullable=False))
    success_url: str = Field(sa_column=text_column(nullable=False))
    cancel_url: str = Field(sa_column=text_column(nullable=False))
    fingerprint: str = Field(sa_column=text_column(nullable=False))
    status: SubscriptionLinkStatus = Field(sa_column=choice(SubscriptionLinkStatus, "status"))
    error: str | None = Field(default=None, sa_column=text_column())
    session_id: str | None = Field(default=None, sa_column=text_column())
    url: str | None = Field(default=None, sa_column=text_column())
    attempt: int = 1
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())
    sent_at: datetime = Field(sa_column=moment())
    expires_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    look_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    bought_id: str | None = Field(default=None, sa_column=text_column())
