"""An event of Stripe's is handled: what it is about is fetched and copied. What the event itself says of it is old by then."""

import structlog

from app import clock
from app.db import transaction
from app.domain.stripe_events import (
    CHECKOUT_EVENTS,
    CUSTOMER_EVENTS,
    INVOICE_EVENTS,
    METER_EVENTS,
    PAYMENT_FAILED,
    PRICE_EVENTS,
    PRODUCT_EVENTS,
    SUBSCRIPTION_EVENTS,
)
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingError, BillingNotFoundError
from app.gateways.stripe import stripe_gateway
from app.queries import stripe_inbox as inbox
from app.queries.stripe_inbox import Hint
from app.services.checkout_settling import follow_session
from app.services.meter_refusals import note_meter_errors
from app.services.stripe_customers import follow_customer
from app.services.stripe_prices import check_price, check_product
from app.services.stripe_subscriptions import copy_subscription

log = structlog.get_logger(__name__)

# One look at a subscription answers all of these that came before it.
_ANSWERED_TOGETHER = (*SUBSCRIPTION_EVENTS, *INVOICE_EVENTS)


def handle_event(event_id: str) -> int:
    """Do what an event in the inbox is a hint of, and return how many events that was. Twice is as good as once.

    What Stripe does not answer now is tried again later; what it does not know is given up, and said in the log.

    Raises:
        OverloadedError: the database is busy or away; the event is tried again.
    """
    with transaction() as session:
        hint = inbox.begin(session, event_id, clock.now())
        if hint is None:
            return 0
        together = {hint.event_id}
        if hint.subscription_id and hint.type in _ANSWERED_TOGETHER:
            together |= set(inbox.waiting_about(session, hint.subscription_id, _ANSWERED_TOGETHER))
    try:
        _follow(stripe_gateway(), hint)
    except BillingNotFoundError as error:
        log.error(
            "stripe.event_given_up",
            event_id=event_id,
            type=hint.type,
            object_id=hint.object_id,
            error=error.message,
        )
        _settle([event_id], error.message)
        return 0
    except BillingError as error:
        log.warning("stripe.event_put_off", event_id=event_id, type=hint.type, error=type(error).__name__)
        with transaction() as session:
            inbox.note_error(session, event_id, f"{type(error).__name__}: {error.message}")
        return 0
    _settle(sorted(together), None)
    return len(together)


def _follow(gateway: BillingGateway, hint: Hint) -> None:
    if hint.type in CHECKOUT_EVENTS and hint.object_id:
        # The session has our tags even if the subscription lost them.
        found = gateway.checkout_session(hint.object_id)
        follow_session(gateway, found, has_failed=hint.type == PAYMENT_FAILED)
    elif hint.type in CUSTOMER_EVENTS and hint.object_id:
        follow_customer(gateway, hint.object_id)
    elif hint.type in METER_EVENTS:
        note_meter_errors(gateway, hint.event_id)
    elif hint.type in PRICE_EVENTS and hint.object_id:
        check_price(gateway, hint.object_id)
    elif hint.type in PRODUCT_EVENTS and hint.object_id:
        check_product(gateway, hint.object_id)
    elif hint.subscription_id:
        copy_subscription(gateway, hint.subscription_id)


def _settle(event_ids: list[str], error: str | None) -> None:
    with transaction() as session:
        inbox.settle(session, event_ids, clock.now(), error)
