"""Tenants and their API keys. For operators (`meterline …`) and for authentication; no door lets a tenant do this."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from app import clock, models
from app.contract.actors import Actor
from app.db import Pool, transaction
from app.domain.keys import PREFIX, KeyKind, kind_of
from app.domain.metering import Enforcement
from app.domain.values import check_text
from app.errors import AuthenticationError, InvalidInputError
from app.queries import tenants as queries
from app.services.conflicts import already_exists

MODES = ("test", "live")
_KEY_ID_MAX = 2**63 - 1  # what the column holds
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant just made, with its keys: the only time they are seen."""

    app_id: str
    secret_key: str
    public_key: str


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be shown of a key."""

    id: int
    kind: KeyKind
    hint: str
    created_at: datetime
    expires_at: datetime | None


def create_app(slug: str, name: str | None = None) -> list[NewTenant]:
    """The two tenants of an app, `test_<slug>` and `live_<slug>`, each with a secret and a public key.

    Raises:
        InvalidInputError: the slug is not 1 to 63 lower-case letters, digits and hyphens.
        AlreadyExistsError: there is such an app.
    """
    if not _SLUG.fullmatch(slug):
        raise InvalidInputError(
            "slug", "must be 1 to 63 lower-case letters, digits and hyphens, not beginning with a hyphen"
        )
    check_text("name", name or slug)
    with already_exists(f"slug: an app {slug!r} exists already"), transaction() as session:
        return [_create_tenant(session, mode, slug, name or slug) for mode in MODES]


def app_ids() -> list[str]:
    """Every tenant's public id, sorted."""
    with transaction() as session:
        return [tenant.public_id for tenant in queries.all_tenants(session)]


def set_enforcement(app_id: str, enforcement: Enforcement) -> None:
    """What is done with usage over a hard limit. Raises LookupError for an unknown tenant."""
    with transaction() as session:
        _tenant(session, app_id).enforcement = enforcement


def create_key(app_id: str, kind: KeyKind) -> str:
    """A further key, shown this once. Raises LookupError for an unknown tenant."""
    with transaction() as session:
        return _add_key(session, _tenant(session, app_id), kind)


def rotate_key(app_id: str, key_id: int, overlap: timedelta) -> str:
    """A new key of the same kind, shown this once; the old one goes on working for `overlap`.

    Raises:
        LookupError: there is no such tenant or key, or the key has ended: who revoked it did not mean it to live on.
    """
    with transaction() as session:
        tenant = _tenant(session, app_id)
        old = _locked_key(session, tenant, key_id)
        now = clock.now()
        if old.expires_at is not None and old.expires_at <= now:
            raise LookupError(f"Key {key_id} of {app_id} has ended. Create a new one instead.")
        until = now + overlap
        old.expires_at = min(until, old.expires_at or until)
        return _add_key(session, tenant, old.kind)


def revoke_key(app_id: str, key_id: int) -> None:
    """End a key now. Processes that have just seen it may accept it for API_KEY_CACHE_SECONDS more.

    Raises:
        LookupError: there is no such tenant or key.
    """
    with transaction() as session:
        old = _locked_key(session, _tenant(session, app_id), key_id)
        now = clock.now()
        old.expires_at = min(now, old.expires_at or now)


def list_keys(app_id: str) -> list[KeyInfo]:
    """All keys ever made, oldest first. Raises LookupError for an unknown tenant."""
    with transaction() as session:
        rows: Sequence[models.ApiKey] = queries.keys_of(session, _tenant(session, app_id).id)
        return [KeyInfo(row.id, row.kind, row.hint, row.created_at, row.expires_at) for row in rows]


def authenticate_secret_key(presented: str) -> Actor:
    """The caller behind a secret key.

    Raises:
        AuthenticationError: an unknown, revoked or public key, or something that is no key; it says which it looks like.
    """
    kind = kind_of(presented)
    if kind is None:
        raise AuthenticationError("this API needs a secret key (prv_test_… or prv_live_…)")
    if kind is KeyKind.PUBLIC:
        raise AuthenticationError("this API needs a secret key (prv_…), not a public one")
    digest = _digest(presented)
    with transaction(Pool.KEYS) as session:
        found = queries.key_by_digest(session, digest, clock.now())
    # The index has compared the digests already, though not in constant time; this is what lets a caller in.
    if found is None or not hmac.compare_digest(found[0].digest, digest) or found[0].kind is not KeyKind.SECRET:
        raise AuthenticationError("the API key is unknown or was revoked")
    tenant = found[1]
    return Actor(tenant_id=tenant.id, app_id=tenant.public_id, enforcement=tenant.enforcement)


def _create_tenant(session: Session, mode: str, slug: str, name: str) -> NewTenant:
    tenant = models.Tenant(public_id=f"{mode}_{slug}", name=name, created_at=clock.now())
    session.add(tenant)
    session.flush()
    return NewTenant(
        tenant.public_id, _add_key(session, tenant, KeyKind.SECRET), _add_key(session, tenant, KeyKind.PUBLIC)
    )


def _add_key(session: Session, tenant: models.Tenant, kind: KeyKind) -> str:
    mode = tenant.public_id.partition("_")[0]
    key = f"{PREFIX[kind]}_{mode}_{secrets.token_hex(16)}"
    session.add(
        models.ApiKey(tenant_id=tenant.id, kind=kind, digest=_digest(key), hint=key[-4:], created_at=clock.now())
    )
    session.flush()
    return key


def _tenant(session: Session, app_id: str) -> models.Tenant:
    # What a shell can pass and Postgres cannot take as text is nobody's name either.
    tenant = queries.tenant_by_public_id(session, app_id) if app_id.isprintable() else None
    if tenant is None:
        raise LookupError(f"There is no tenant {app_id}")
    return tenant


def _locked_key(session: Session, tenant: models.Tenant, key_id: int) -> models.ApiKey:
    key = queries.locked_key(session, tenant.id, key_id) if 0 < key_id <= _KEY_ID_MAX else None
    if key is None:
        raise LookupError(f"Tenant {tenant.public_id} has no key {key_id}")
    return key


def _digest(key: str) -> bytes:
    """SHA-256 without a salt or a slow hash: a key has 128 random bits, so there is nothing to guess."""
    return hashlib.sha256(key.encode()).digest()
