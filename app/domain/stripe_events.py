"""Which of Stripe's events say something to us. Each is only a hint: what happened is read from the object itself."""

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
CUSTOMER_EVENTS = ("customer.deleted",)

# At most 20, for Stripe's list of events takes no more.
WANTED_EVENTS = (*SUBSCRIPTION_EVENTS, *INVOICE_EVENTS, *CHECKOUT_EVENTS, *CUSTOMER_EVENTS)
