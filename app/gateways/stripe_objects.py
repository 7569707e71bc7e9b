"""Stripe's objects, as the plain dicts of its JSON, read into the shapes of `billing`.

Two renderings of an object may reach us: the pinned version's when we ask, and that of an older account in an event. Where they
differ, both are read.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.gateways import billing_shapes as shapes

Object = Mapping[str, Any]


def product(it: Object) -> shapes.Product:
    """A product. One that was deleted is told of by its id alone, and is not for sale."""
    return shapes.Product(
        id=it["id"], name=it.get("name") or "", active=it.get("active", False), metadata=_metadata(it)
    )


def price(it: Object) -> shapes.Price:
    """A price; of one with tiers only that it has no single amount."""
    recurring = it.get("recurring") or {}
    interval = recurring.get("interval")
    return shapes.Price(
        id=it["id"],
        product_id=_id(it["product"]) or "",
        active=it["active"],
        currency=it["currency"],
        amount_minor=it.get("unit_amount"),
        interval=shapes.BillingInterval(interval) if interval else None,
        interval_count=recurring.get("interval_count") or 1,
        meter_id=recurring.get("meter"),
        nickname=it.get("nickname"),
        lookup_key=it.get("lookup_key"),
        metadata=_metadata(it),
        live=it["livemode"],
    )


def customer(it: Object) -> shapes.Customer:
    """A customer, or what is left of a deleted one."""
    return shapes.Customer(
        id=it["id"],
        email=it.get("email"),
        name=it.get("name"),
        deleted=it.get("deleted", False),
        metadata=_metadata(it),
    )


def checkout_session(it: Object) -> shapes.CheckoutSession:
    """A checkout session. The email is the one that the buyer gave, or else the one that we did."""
    details = it.get("customer_details") or {}
    return shapes.CheckoutSession(
        id=it["id"],
        mode=shapes.CheckoutMode(it["mode"]),
        status=shapes.CheckoutStatus(it["status"]),
        payment_status=shapes.PaymentStatus(it["payment_status"]),
        url=it.get("url"),
        client_reference_id=it.get("client_reference_id"),
        customer_id=_id(it.get("customer")),
        customer_email=details.get("email") or it.get("customer_email"),
        subscription_id=_id(it.get("subscription")),
        payment_intent_id=_id(it.get("payment_intent")),
        amount_total_minor=it.get("amount_total"),
        currency=it.get("currency"),
        metadata=_metadata(it),
        created_at=_at(it["created"]),
        expires_at=_at(it["expires_at"]),
        live=it["livemode"],
    )


def subscription(it: Object) -> shapes.ProviderSubscription:
    """A subscription, with the items that are given: of many, Stripe puts in the first ones only."""
    return shapes.ProviderSubscription(
        id=it["id"],
        customer_id=_id(it["customer"]) or "",
        status=shapes.SubscriptionStatus(it["status"]),
        items=[_item(each) for each in it["items"]["data"]],
        started_at=_at(it["start_date"]),
        trial_end=_at_or_none(it.get("trial_end")),
        cancel_at=_at_or_none(it.get("cancel_at")),
        cancel_at_period_end=it["cancel_at_period_end"],
        canceled_at=_at_or_none(it.get("canceled_at")),
        ended_at=_at_or_none(it.get("ended_at")),
        collection_paused=it.get("pause_collection") is not None,
        latest_invoice_id=_id(it.get("latest_invoice")),
        metadata=_metadata(it),
        created_at=_at(it["created"]),
        live=it["livemode"],
    )


def _item(it: Object) -> shapes.SubscriptionItem:
    return shapes.SubscriptionItem(
        id=it["id"],
        price=price(it["price"]),
        quantity=it.get("quantity"),
        period_start=_at(it["current_period_start"]),
        period_end=_at(it["current_period_end"]),
        created_at=_at(it["created"]),
    )


def invoice(it: Object) -> shapes.Invoice:
    """An invoice."""
    return shapes.Invoice(
        id=it["id"],
        status=shapes.InvoiceStatus(it["status"]),
        customer_id=_id(it.get("customer")),
        subscription_id=_subscription_of(it),
        currency=it["currency"],
        amount_due_minor=it["amount_due"],
        amount_paid_minor=it["amount_paid"],
        attempt_count=it["attempt_count"],
        next_payment_attempt_at=_at_or_none(it.get("next_payment_attempt")),
        page_url=it.get("hosted_invoice_url"),
        created_at=_at(it["created"]),
    )


def event(it: Object) -> shapes.BillingEvent:
    """An event: of a snapshot only which object it is about, and of a thin one the same."""
    about = (it.get("data") or {}).get("object") or {}
    related = it.get("related_object") or {}
    kind = about.get("object") or related.get("type") or ""
    object_id = about.get("id") or related.get("id")
    return shapes.BillingEvent(
        id=it["id"],
        type=it["type"],
        created_at=_at(it["created"]),
        live=it["livemode"],
        object_type=kind,
        object_id=object_id,
        subscription_id=object_id if kind == "subscription" else _subscription_of(about),
        customer_id=object_id if kind == "customer" else _id(about.get("customer")),
        client_reference_id=about.get("client_reference_id"),
    )


def portal_session(it: Object) -> shapes.PortalSession:
    """A session of the billing portal."""
    return shapes.PortalSession(id=it["id"], url=it["url"])


def meter(it: Object) -> shapes.Meter:
    """A meter."""
    return shapes.Meter(
        id=it["id"], event_name=it["event_name"], name=it["display_name"], active=it["status"] == "active"
    )


def metered_usage(it: Object) -> shapes.MeteredUsage:
    """One line of a meter's summaries."""
    return shapes.MeteredUsage(
        start=_at(it["start_time"]), end=_at(it["end_time"]), value=float(it["aggregated_value"])
    )


def meter_errors(it: Object) -> shapes.MeterErrors:
    """A thin event about a meter, with its data. Whoever else tells the account's meters may give their statements no name."""
    reason = it["data"]["reason"]
    return shapes.MeterErrors(
        meter_id=_id(it.get("related_object")),
        count=reason["error_count"],
        named=[
            shapes.MeterRefusal(identifier=identifier, code=each["code"], message=sample["error_message"])
            for each in reason["error_types"]
            for sample in each["sample_errors"]
            if isinstance(identifier := (sample.get("request") or {}).get("identifier"), str)
        ],
    )


def webhook_target(it: Object) -> shapes.WebhookTarget:
    """A webhook endpoint."""
    return shapes.WebhookTarget(id=it["id"], url=it["url"], secret=it.get("secret"))


def _subscription_of(it: Object) -> str | None:
    """Of a session it is a field; of an invoice it was one until 2025-03-31, and is the parent's since."""
    details = (it.get("parent") or {}).get("subscription_details") or {}
    return _id(it.get("subscription")) or _id(details.get("subscription"))


def _id(reference: Any) -> str | None:
    """The id, also where the object itself was put in its place."""
    found = reference.get("id") if isinstance(reference, Mapping) else reference
    return found or None


def _metadata(it: Object) -> dict[str, str]:
    return dict(it.get("metadata") or {})


def _at(stamp: int | str) -> datetime:
    """Thin events have their time as a text, everything else in seconds."""
    return datetime.fromisoformat(stamp) if isinstance(stamp, str) else datetime.fromtimestamp(stamp, UTC)


def _at_or_none(stamp: int | None) -> datetime | None:
    return None if stamp is None else _at(stamp)
