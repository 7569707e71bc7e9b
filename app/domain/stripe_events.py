"""Which of Stripe's events say something to us. Each is only a hint: what happened is read from the object itself."""

from collections.abc import Sequence

SUBSCRIPTION_EVENTS = (
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
)
# `invoice.payment_succeeded` comes with `invoice.paid` each time, and says the same.
INVOICE_EVENTS = ("invoice.paid", "invoice.payment_failed")
PAYMENT_FAILED = "checkout.session.async_payment_failed"
CHECKOUT_EVENTS = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    PAYMENT_FAILED,
    "checkout.session.expired",
)
CUSTOMER_EVENTS = ("customer.updated", "customer.deleted")

PRICE_EVENTS = ("price.updated", "price.deleted")
PRODUCT_EVENTS = ("product.updated", "product.deleted")
# Thin ones: of what a meter was told and could not count. Stripe's list of events does not have them.
METER_EVENTS = ("v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found")

LISTED_EVENTS = (
    *SUBSCRIPTION_EVENTS,
    *INVOICE_EVENTS,
    *CHECKOUT_EVENTS,
    *CUSTOMER_EVENTS,
    *PRICE_EVENTS,
    *PRODUCT_EVENTS,
)

WANTED_EVENTS = (*LISTED_EVENTS, *METER_EVENTS)

# Stripe's list of events takes no more types at once.
_LISTED_TOGETHER = 20


def groups(types: Sequence[str] = LISTED_EVENTS) -> list[Sequence[str]]:
    """The types as they can be asked for, in few lists."""
    return [types[at : at + _LISTED_TOGETHER] for at in range(0, len(types), _LISTED_TOGETHER)]
