"""Subscriptions."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Computed, Index, text
from sqlmodel import Field, SQLModel

from app.domain.subscribing import SubscriptionStatus
from app.models.columns import Timestamp, choice, generated_key, json_value, moment, text_column, within_tenant

# With the casts with which Postgres shows it: migrations are compared by the text.
_DUE_AT = """CASE
  WHEN status::text <> ALL (ARRAY['CANCELLED'::character varying, 'INCOMPLETE_EXPIRED'::character varying]::text[])
  THEN LEAST(ends_at, changes_at,
    CASE WHEN status::text = 'TRIALING'::text THEN trial_ends_at ELSE NULL::timestamp with time zone END)
  ELSE NULL::timestamp with time zone
END"""


class Subscription(SQLModel, table=True):
    """A user has a package from `started_at`, the anchor of its reset periods, until `ends_at`.

    A subscription past its `ends_at` is over whatever `status` says, a trial past `trial_ends_at` is ACTIVE, and from
    `changes_at` the package is `next_package_key`: reads look at the dates, so nothing waits for a job. `due_at` is when
    the job has something to write. `changed_at` is the last change; what the package was before it is in `PastPackage`.
    Of an item that was added to a provider's subscription later it is when that was seen: until then others decided.
    One that is PAST_DUE gives access until `grace_ends_at`, and none without it; when it is then cancelled, the date stays and
    says until when it did. While it is UNPAID the date waits, for it may be late again. With another status there is none.

    With a `provider` it is a copy of an item of a subscription there, as that was at `synced_at`; what was paid once has the
    session's id for both. The item's price is `provider_price_id`, or else `next_price_id`, that of `next_package_key`: a change
    at the period's end is a new price at once, which is first paid then. `is_second_base`: somebody paid for a base package
    beside another one; both are theirs until an operator has spoken with them.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        within_tenant("user_key", "users.key"),
        within_tenant("package_key", "packages.key"),
        Index(None, "tenant_id", "user_key"),
        Index(None, "tenant_id", "package_key"),
        within_tenant("next_package_key", "packages.key"),
        Index(None, "tenant_id", "next_package_key"),
        Index("ix_subscriptions_tenant_id_due_at", "tenant_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index(
            "ix_subscriptions_tenant_id_second_base", "tenant_id", "updated_at", postgresql_where=text("is_second_base")
        ),
        Index(
            "uq_subscriptions_provider_item",
            "tenant_id",
            "provider_subscription_id",
            "provider_item_id",
            unique=True,
            postgresql_where=text("provider_subscription_id IS NOT NULL"),
        ),
    )

    tenant_id: int = Field(primary_key=True)
    id: int = Field(default=None, sa_column=generated_key())
    user_key: int = Field(sa_type=BigInteger)
    package_key: int = Field(sa_type=BigInteger)
    status: SubscriptionStatus = Field(sa_column=choice(SubscriptionStatus, "status"))
    started_at: datetime = Field(sa_column=moment())
    ends_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    trial_ends_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    grace_ends_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    next_package_key: int | None = Field(default=None, sa_type=BigInteger)
    changes_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    changed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    due_at: datetime | None = Field(default=None, sa_column=Column(Timestamp, Computed(_DUE_AT, persisted=True)))
    provider: str | None = Field(default=None, sa_column=text_column())
    provider_subscription_id: str | None = Field(default=None, sa_column=text_column())
    provider_item_id: str | None = Field(default=None, sa_column=text_column())
    provider_price_id: str | None = Field(default=None, sa_column=text_column())
    next_price_id: str | None = Field(default=None, sa_column=text_column())
    quantity: int | None = Field(default=None, sa_type=BigInteger)
    synced_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    is_second_base: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    metadata_: Any = Field(sa_column=json_value())
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())


class PastPackage(SQLModel, table=True):
    """In [since, until) the subscription's package was another one: a period that ended then is closed by its terms.

    (No foreign key to the package: if it is gone, so are its terms.)
    """

    __tablename__ = "past_packages"
    __table_args__ = (within_tenant("subscription_id", "subscriptions.id"),)

    tenant_id: int = Field(primary_key=True)
    subscription_id: int = Field(primary_key=True, sa_type=BigInteger)
    until: datetime = Field(sa_column=Column(Timestamp, primary_key=True))
    package_key: int = Field(sa_type=BigInteger)
    since: datetime = Field(sa_column=moment())
