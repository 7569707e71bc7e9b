"""Stripe's webhooks, read without its SDK: the web processes take them, and ask Stripe nothing."""

from collections.abc import Sequence
from datetime import datetime

from app.gateways import billing, stripe_objects
from app.gateways.billing_errors import BillingSignatureError
from app.gateways.stripe_signatures import verified_payload


def verified_event(
    body: bytes, signature: str | None, *, secrets: Sequence[str], now: datetime
) -> billing.BillingEvent:
    """As `BillingGateway.verified_event`, which see, with the secrets that are valid now."""
    payload = verified_payload(body, signature, secrets=secrets, now=now)
    try:
        return stripe_objects.event(payload)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BillingSignatureError("the webhook's body is not an event") from error
