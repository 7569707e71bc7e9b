"""Whether a webhook comes from Stripe: the `Stripe-Signature` header, checked over the raw bytes of the body.

Done here and not with the SDK, which lets timestamps of any future pass, and costs half a second to import.

Source: docs.stripe.com/webhooks#verify-manually
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.gateways.billing_errors import BillingNotConfiguredError, BillingSignatureError

TOLERANCE_SECONDS = 300
_SCHEME = "v1"


def verified_payload(body: bytes, header: str | None, *, secrets: Sequence[str], now: datetime) -> Mapping[str, Any]:
    """The JSON object of a webhook that was signed with one of `secrets`, at most five minutes before or after `now`.

    Several secrets are valid while one replaces another: Stripe then signs with both, or we have both.

    Raises:
        BillingNotConfiguredError: there are no secrets; with an empty one anybody could sign.
        BillingSignatureError: anything about it is not as Stripe would send it.
    """
    if not any(secrets):
        raise BillingNotConfiguredError("STRIPE_WEBHOOK_SECRET is not set")
    stamp, signatures = _parts(header or "")
    if not any(_matches(body, stamp, secret, signatures) for secret in secrets if secret):
        raise BillingSignatureError("no signature of the webhook is by a secret of ours")
    # The stamp is believed only now that it is known to be Stripe's.
    if abs(now.timestamp() - stamp) > TOLERANCE_SECONDS:
        raise BillingSignatureError("the webhook was not signed within the last five minutes")
    return _json_object(body)


def sign(body: bytes, *, secret: str, stamp: int) -> str:
    """The header for a body that is sent at `stamp`, in Unix seconds."""
    return f"t={stamp},{_SCHEME}={_signature(body, stamp, secret)}"


def _signature(body: bytes, stamp: int, secret: str) -> str:
    return hmac.new(secret.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()


def _matches(body: bytes, stamp: int, secret: str, signatures: Sequence[str]) -> bool:
    expected = _signature(body, stamp, secret).encode()
    return any(hmac.compare_digest(expected, each.encode()) for each in signatures)


def _parts(header: str) -> tuple[int, list[str]]:
    pairs = list(_pairs(header))
    stamps = [value for name, value in pairs if name == "t"]
    signatures = [value for name, value in pairs if name == _SCHEME]
    # A length that no year has would make an integer that no clock takes.
    if len(stamps) != 1 or not stamps[0].isdecimal() or len(stamps[0]) > len("99999999999") or not signatures:
        raise BillingSignatureError("the webhook has no usable Stripe-Signature header")
    return int(stamps[0]), signatures


def _pairs(header: str) -> Iterator[tuple[str, str]]:
    for item in header.split(","):
        name, separator, value = item.strip().partition("=")
        if separator:
            yield name, value


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        payload = json.loads(body)
    except ValueError as error:
        raise BillingSignatureError("the webhook's body is not JSON") from error
    if not isinstance(payload, dict):
        raise BillingSignatureError("the webhook's body is not a JSON object")
    return payload
