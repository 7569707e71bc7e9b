"""Secrets of webhook endpoints: derived, not stored, so that a copy of the database signs nothing. Source: decision 0012."""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Protocol

from standardwebhooks import Webhook

from app.settings import settings


class Signed(Protocol):
    """What is stored of an endpoint's secrets."""

    @property
    def salt(self) -> bytes: ...
    @property
    def previous_salt(self) -> bytes | None: ...
    @property
    def previous_until(self) -> datetime | None: ...


def new_salt() -> bytes:
    """For a secret that nobody has had."""
    return secrets.token_bytes(32)


def secret_of(salt: bytes) -> str:
    """`whsec_…`, as receivers keep it. Source: Standard Webhooks, "Signature scheme"."""
    key = hmac.digest(settings().secret_key.encode(), b"webhook" + salt, hashlib.sha256)
    return f"whsec_{base64.b64encode(key).decode()}"


def signature(signed: Signed, message_id: str, body: str, sent_at: datetime, now: datetime) -> str:
    """The header's value: one signature, or one of each secret while a roll lasts. `sent_at` is signed too, to the second."""
    salts = [signed.salt]
    if signed.previous_salt is not None and signed.previous_until is not None and now < signed.previous_until:
        salts.append(signed.previous_salt)
    return " ".join(Webhook(secret_of(salt)).sign(message_id, sent_at, body) for salt in salts)
