"""Why something cannot be sold, as callers are told."""

import structlog

from app.domain.values import INT32_MAX
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingError, BillingNotConfiguredError, BillingRefusedError
from app.gateways.billing_shapes import Price

log = structlog.get_logger(__name__)

_LIVE_PREFIX = "live_"


class WrongModeError(BillingRefusedError):
    """It is the key that is wrong, and not what was asked for."""


def check_mode(app_id: str, billing: BillingGateway) -> None:
    """Raises WrongModeError if a test tenant would move real money, or a live one would take test cards."""
    if app_id.startswith(_LIVE_PREFIX) != billing.live:
        mine, theirs = ("test", "live") if billing.live else ("live", "test")
        raise WrongModeError(f"This is a {mine} app, and STRIPE_API_KEY is a {theirs} key.")


def told(error: BillingError) -> str:
    """What the tenant is told of it that wanted it: Stripe's own words, for they are of its own wish and user. What is for the
    operator alone is in the log, and has no words of Stripe's.
    """
    log.warning(
        "stripe.refused",
        error=type(error).__name__,
        reason=error.message,
        code=error.code,
        param=error.param,
        status=error.status,
        request_id=error.request_id,
    )
    if isinstance(error, BillingNotConfiguredError):
        return "This server is not set up for Stripe, or Stripe does not accept its key."
    return f"Stripe does not do it: {error.words or error.message}"


def why_not_for_sale(price: Price, *, is_metered: bool = False) -> str | None:
    """Why no link can be made for a price of Stripe's, as the end of a sentence; None: it can. `is_metered`: for overage."""
    if not price.active:
        return "it is archived"
    if price.amount_minor is None:
        return "it has no single amount in whole minor units"
    if price.amount_minor > INT32_MAX:
        return f"its amount is above {INT32_MAX}, the largest number that the API can carry"
    if (price.meter_id is not None) != is_metered:
        return "it is not for metered usage" if is_metered else "it is for metered usage"
    if price.interval_count != 1:
        return f"it is paid every {price.interval_count} {price.interval}s, and only single intervals can be sold"
    return None
