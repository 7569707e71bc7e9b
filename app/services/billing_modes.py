"""Test and live: what a test tenant sells costs nobody money, and what a live one sells is paid for."""

from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingRefusedError

_LIVE_PREFIX = "live_"


def check_mode(app_id: str, billing: BillingGateway) -> None:
    """Raises BillingRefusedError if a test tenant would move real money, or a live one would take test cards."""
    if app_id.startswith(_LIVE_PREFIX) != billing.live:
        mine, theirs = ("test", "live") if billing.live else ("live", "test")
        raise BillingRefusedError(f"This is a {mine} app, and STRIPE_API_KEY is a {theirs} key.")
