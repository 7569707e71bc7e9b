"""User tokens: JWTs that speak for one user on the client API.

A tenant's signing secret is HMAC-SHA256(SECRET_KEY, salt), and only the salt is stored: a copy of the database signs nothing.
The token's `kid` names the salt, so an old secret and its successor can be valid side by side.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

import jwt
from sqlmodel import Session

from app import clock, models
from app.contract.actors import Actor
from app.contract.users import GeneratedUserToken
from app.db import transaction
from app.domain.values import check_id
from app.errors import AuthenticationError, UserNotFoundError
from app.queries import tenants as queries
from app.queries import users as user_queries
from app.settings import settings

LIFETIME = timedelta(days=30)
AUDIENCE = "kana-client"
# The only one we sign with, and the only one we accept: a token must not choose how it is checked.
_ALGORITHM = "HS256"
_REQUIRED_CLAIMS = ["appId", "userId", "iat", "exp", "aud", "iss"]


@dataclass(frozen=True, slots=True)
class TokenBearer:
    """The user that a token speaks for."""

    tenant_id: int
    app_id: str
    user_id: str


def generate_user_token(actor: Actor, user_id: str) -> GeneratedUserToken:
    """A token for the user, good for 30 days. Raises UserNotFoundError, InvalidInputError if `user_id` is no id."""
    check_id("id", user_id)
    with transaction() as session:
        if user_queries.user_by_id(session, actor.tenant_id, user_id) is None:
            raise UserNotFoundError
        secret = queries.newest_token_secret(session, actor.tenant_id) or _add_secret(session, actor.tenant_id)
    now = clock.now()
    claims = {
        "appId": actor.app_id,
        "userId": user_id,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
        "aud": AUDIENCE,
        "iss": settings().token_issuer,
    }
    return GeneratedUserToken(
        token=jwt.encode(claims, _signing_key(secret), algorithm=_ALGORITHM, headers={"kid": str(secret.id)})
    )


def verify_user_token(token: str) -> TokenBearer:
    """Whom the token speaks for.

    Raises:
        AuthenticationError: not ours, changed, expired, for another audience or issuer, or signed with a retired secret.
    """
    try:
        return _verified(token)
    except jwt.ExpiredSignatureError as expired:
        raise AuthenticationError("the user token has expired") from expired
    # Python's JSON gives up on deep nesting with a RecursionError, on half a surrogate pair with a ValueError.
    except (jwt.InvalidTokenError, ValueError, RecursionError) as invalid:
        raise AuthenticationError("the user token is not valid") from invalid


def rotate_token_secret(app_id: str, overlap: timedelta = LIFETIME) -> None:
    """Sign with a new secret from now on; what older ones signed stays valid for `overlap`, by default a token's lifetime.

    Raises:
        LookupError: there is no tenant `app_id`.
    """
    with transaction() as session:
        tenant = queries.tenant_by_public_id(session, app_id)
        if tenant is None:
            raise LookupError(f"There is no tenant {app_id}")
        until = clock.now() + overlap
        for secret in queries.locked_token_secrets(session, tenant.id):
            secret.expires_at = min(until, secret.expires_at or until)
        _add_secret(session, tenant.id)


def _verified(token: str) -> TokenBearer:
    # The unverified parts only say which secret to verify with.
    secret_id = _secret_id(jwt.get_unverified_header(token).get("kid"))
    app_id = jwt.decode(token, options={"verify_signature": False}).get("appId")
    if not isinstance(app_id, str) or not app_id.isprintable():
        raise jwt.InvalidTokenError("appId is not a name")
    with transaction() as session:
        tenant = queries.tenant_by_public_id(session, app_id)
        if tenant is None:
            raise jwt.InvalidTokenError("unknown tenant")
        secret = queries.usable_token_secret(session, tenant.id, secret_id, clock.now())
    if secret is None:
        raise jwt.InvalidTokenError("unknown or retired secret")
    claims = jwt.decode(
        token,
        _signing_key(secret),
        algorithms=[_ALGORITHM],
        audience=AUDIENCE,
        issuer=settings().token_issuer,
        # A machine whose clock is a second ahead may have issued it; `exp` alone says for how long it is good.
        options={"require": _REQUIRED_CLAIMS, "verify_iat": False},
    )
    if not isinstance(claims["userId"], str):
        raise jwt.InvalidTokenError("userId is not a string")
    return TokenBearer(tenant.id, tenant.public_id, claims["userId"])


def _secret_id(kid: object) -> int:
    """The number in a header that anybody may have written."""
    # 18 digits fit the column; a longer number would be the database's error instead of the caller's.
    if not isinstance(kid, str) or not re.fullmatch(r"[0-9]{1,18}", kid):
        raise jwt.InvalidTokenError("kid is not a number of ours")
    return int(kid)


def _add_secret(session: Session, tenant_id: int) -> models.UserTokenSecret:
    secret = models.UserTokenSecret(tenant_id=tenant_id, salt=secrets.token_bytes(32), created_at=clock.now())
    session.add(secret)
    session.flush()
    return secret


def _signing_key(secret: models.UserTokenSecret) -> bytes:
    return hmac.digest(settings().secret_key.encode(), b"user-token" + secret.salt, hashlib.sha256)
