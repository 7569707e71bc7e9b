"""Tenants, their keys and token secrets."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, or_, select

from app.models import ApiKey, Tenant, UserTokenSecret


def tenant_by_public_id(session: Session, public_id: str) -> Tenant | None:
    return session.exec(select(Tenant).where(Tenant.public_id == public_id)).one_or_none()


def tenant_by_id(session: Session, tenant_id: int) -> Tenant | None:
    return session.exec(select(Tenant).where(Tenant.id == tenant_id)).one_or_none()


def locked_tenant(session: Session, tenant_id: int) -> Tenant:
    """For what a tenant may have only so many of: two who count at once take turns. Nothing else waits for it."""
    return session.exec(select(Tenant).where(Tenant.id == tenant_id).with_for_update(key_share=True)).one()


def all_tenants(session: Session) -> Sequence[Tenant]:
    return session.exec(select(Tenant).order_by(col(Tenant.public_id))).all()


def tenant_ids(session: Session) -> Sequence[int]:
    return session.exec(select(Tenant.id).order_by(col(Tenant.id))).all()


def key_by_digest(session: Session, digest: bytes, now: datetime) -> tuple[ApiKey, Tenant] | None:
    """The key that may be used now, and its tenant. The one look-up that starts without a tenant."""
    return session.exec(
        select(ApiKey, Tenant)
        .join(Tenant, col(Tenant.id) == col(ApiKey.tenant_id))
        .where(ApiKey.digest == digest, or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > now))
    ).one_or_none()


def locked_key(session: Session, tenant_id: int, key_id: int) -> ApiKey | None:
    return session.exec(
        select(ApiKey).where(ApiKey.tenant_id == tenant_id, ApiKey.id == key_id).with_for_update()
    ).one_or_none()


def keys_of(session: Session, tenant_id: int) -> Sequence[ApiKey]:
    return session.exec(select(ApiKey).where(ApiKey.tenant_id == tenant_id).order_by(col(ApiKey.id))).all()


def locked_token_secrets(session: Session, tenant_id: int) -> Sequence[UserTokenSecret]:
    """All of a tenant's secrets, newest first, locked: two rotations at once take turns."""
    return session.exec(
        select(UserTokenSecret)
        .where(UserTokenSecret.tenant_id == tenant_id)
        .order_by(col(UserTokenSecret.id).desc())
        .with_for_update()
    ).all()


def newest_token_secret(session: Session, tenant_id: int) -> UserTokenSecret | None:
    """The one that signs."""
    return session.exec(
        select(UserTokenSecret)
        .where(UserTokenSecret.tenant_id == tenant_id, col(UserTokenSecret.expires_at).is_(None))
        .order_by(col(UserTokenSecret.id).desc())
        .limit(1)
    ).one_or_none()


def usable_token_secret(session: Session, tenant_id: int, secret_id: int, now: datetime) -> UserTokenSecret | None:
    """The one with this id, if what it signed is still to be believed."""
    return session.exec(
        select(UserTokenSecret).where(
            UserTokenSecret.tenant_id == tenant_id,
            UserTokenSecret.id == secret_id,
            or_(col(UserTokenSecret.expires_at).is_(None), col(UserTokenSecret.expires_at) > now),
        )
    ).one_or_none()
