"""Why something cannot be sold, as callers are told."""

import structlog

from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingError, BillingNotConfiguredError, BillingRefusedError

log = structlog.get_logger(__name__)

_LIVE_PREFIX = "live_"


def check_mode(app_id: str, billing: BillingGateway) -> None:
    """Raises BillingRefusedError if a test tenant would move real money, or a live one would take test cards."""
    if app_id.startswith(_LIVE_PREFIX) != billing.live:
        mine, theirs = ("test", "live") if billing.live else ("live", "test")
        raise BillingRefusedError(f"This is a {mine} app, and STRIPE_API_KEY is a {theirs} key.")


def told(error: BillingError) -> str:
    """What the tenant is told of it. What is for the operator alone is in the log."""
    log.warning("stripe.refused", error=type(error).__name__, reason=error.message, request_id=error.request_id)
    if isinstance(error, BillingNotConfiguredError):
        return "This server is not set up for Stripe, or Stripe does not accept its key."
    return f"Stripe does not do it: {error.message}"
