"""Stripe's webhooks, read without its SDK: the web processes take them, and ask Stripe nothing."""

from collections.abc import Sequence
from datetime import datetime

from app.gateways import billing_shapes as shapes
from app.gateways import stripe_objects
from app.gateways.billing_errors import BillingSignatureError
from app.gateways.stripe_signatures import verified_payload

_ID_MAX = 255
"""Stripe's."""


def verified_event(body: bytes, signature: str | None, *, secrets: Sequence[str], now: datetime) -> shapes.BillingEvent:
    """As `BillingGateway.verified_event`, which see, with the secrets that are valid now."""
    payload = verified_payload(body, signature, secrets=secrets, now=now)
    try:
        found = stripe_objects.event(payload)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BillingSignatureError("the webhook's body is not an event") from error
    if not all(_is_id(each) for each in (found.id, found.object_id or "-", found.subscription_id or "-")):
        raise BillingSignatureError("the webhook's body is not an event")
    return found


def _is_id(value: object) -> bool:
    """Whether it can be one, and be kept: half a character or a zero byte cannot."""
    return isinstance(value, str) and 0 < len(value) <= _ID_MAX and value.isprintable()
