"""Pages at a payment provider on which customers look after their subscriptions, while they are on their way to whoever asked."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, Uuid
from sqlmodel import Field, SQLModel

from app.domain.billing import PortalLinkStatus
from app.models.columns import choice, moment, text_column, within_tenant


class PortalLink(SQLModel, table=True):
    """Whoever has the `url` is taken for the customer, so the row is dropped after a minute."""

    __tablename__ = "portal_links"
    __table_args__ = (
        within_tenant("user_key", "users.key"),
        Index(None, "tenant_id", "user_key"),
        Index(None, "tenant_id", "created_at"),
    )

    tenant_id: int = Field(primary_key=True)
    id: UUID = Field(primary_key=True, sa_type=Uuid)
    user_key: int = Field(sa_type=BigInteger)
    return_url: str = Field(sa_column=text_column(nullable=False))
    status: PortalLinkStatus = Field(sa_column=choice(PortalLinkStatus, "status"))
    url: str | None = Field(default=None, sa_column=text_column())
    error: str | None = Field(default=None, sa_column=text_column())
    created_at: datetime = Field(sa_column=moment())
    sent_at: datetime = Field(sa_column=moment())
