"""What we keep of Stripe's account, whose objects have no tenant until we have looked at them."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

from app.models.columns import moment, text_column


def _count(type_: type[Integer]) -> Column[int]:
    return Column(type_, nullable=False, server_default=text("0"))


class StripeEvent(SQLModel, table=True):
    """A hint of Stripe's that an object changed. `next_attempt_at` is null once it was handled, or given up with an `error`."""

    __tablename__ = "stripe_inbox"
    __table_args__ = (
        Index(None, "next_attempt_at", postgresql_where=text("next_attempt_at IS NOT NULL")),
        Index(None, "subscription_id", postgresql_where=text("next_attempt_at IS NOT NULL")),
        Index(None, "handled_at", postgresql_where=text("handled_at IS NOT NULL")),
    )

    event_id: str = Field(sa_column=Column(Text, primary_key=True))
    type: str = Field(sa_column=text_column(nullable=False))
    is_live: bool
    object_id: str | None = Field(default=None, sa_column=text_column())
    subscription_id: str | None = Field(default=None, sa_column=text_column())
    created_at: datetime = Field(sa_column=moment())
    received_at: datetime = Field(sa_column=moment())
    attempts: int = 0
    next_attempt_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    handled_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    error: str | None = Field(default=None, sa_column=text_column())


class StripeObject(SQLModel, table=True):
    """How often an object was copied. Its row is the lock for doing so. `listed_at`: when a comparison saw it at Stripe last."""

    __tablename__ = "stripe_objects"

    id: str = Field(sa_column=Column(Text, primary_key=True))
    version: int = Field(sa_type=BigInteger)
    listed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class StripeCustomer(SQLModel, table=True):
    """A customer that is a tenant's: it says so since `claimed_at`, and it was shown at `proven_at`. See decision 0021."""

    __tablename__ = "stripe_customers"

    tenant_id: int = Field(foreign_key="tenants.id", primary_key=True)
    customer_id: str = Field(sa_column=Column(Text, primary_key=True))
    claimed_at: datetime = Field(sa_column=moment())
    proven_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class StripeCursor(SQLModel, table=True):
    """How far a list of Stripe's was read, by Stripe's own clock; and by ours when a webhook came last, as `webhooks`."""

    __tablename__ = "stripe_cursors"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    seen_until: datetime = Field(sa_column=moment())


class StripeCheck(SQLModel, table=True):
    """How far a comparison with Stripe is, and what the last whole one found.

    While one is under way it has `began_at`; `part` and `after` say where to go on, `moved_at` when it got there, and `found` and
    `remaining` count so far. `differences` were found by the last whole one, and `left_over` of them not repaired.
    """

    __tablename__ = "stripe_checks"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    began_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    moved_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    part: int = Field(default=0, sa_column=_count(Integer))
    after: str | None = Field(default=None, sa_column=text_column())
    found: int = Field(default=0, sa_column=_count(BigInteger))
    remaining: int = Field(default=0, sa_column=_count(BigInteger))
    checked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    differences: int = Field(default=0, sa_column=_count(BigInteger))
    left_over: int = Field(default=0, sa_column=_count(BigInteger))
