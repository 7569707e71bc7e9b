"""Tenants, their API keys and the salts of their user-token secrets."""

from datetime import datetime

from sqlalchemy import Column, Identity, Integer, LargeBinary
from sqlmodel import Field, SQLModel

from app.domain.keys import KeyKind
from app.domain.metering import Enforcement
from app.models.columns import choice, generated_key, moment, text_column


class Tenant(SQLModel, table=True):
    """One environment of one app: `public_id` is `test_…` or `live_…`. The number keeps every other key small."""

    __tablename__ = "tenants"

    id: int = Field(default=None, sa_column=Column(Integer, Identity(always=True), primary_key=True))
    public_id: str = Field(sa_column=Column(text_column(nullable=False).type, nullable=False, unique=True))
    name: str = Field(sa_column=text_column(nullable=False))
    enforcement: Enforcement = Field(default=Enforcement.REFUSE, sa_column=choice(Enforcement, "enforcement"))
    created_at: datetime = Field(sa_column=moment())


class ApiKey(SQLModel, table=True):
    """The SHA-256 of a key; the key itself is shown once and never stored. `hint` is its last four characters."""

    __tablename__ = "api_keys"

    tenant_id: int = Field(foreign_key="tenants.id", primary_key=True)
    id: int = Field(default=None, sa_column=generated_key())
    kind: KeyKind = Field(sa_column=choice(KeyKind, "kind"))
    # The one unique key without the tenant in front: a caller is known by the key alone, before the tenant is.
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    hint: str = Field(sa_column=text_column(nullable=False))
    created_at: datetime = Field(sa_column=moment())
    expires_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class UserTokenSecret(SQLModel, table=True):
    """Signs user tokens together with SECRET_KEY, of which neither this table nor a copy of it knows anything."""

    __tablename__ = "user_token_secrets"

    tenant_id: int = Field(foreign_key="tenants.id", primary_key=True)
    id: int = Field(default=None, sa_column=generated_key())
    salt: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    expires_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
