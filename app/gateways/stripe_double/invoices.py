"""Invoices: made by subscriptions and by checkout, paid or not by the customer's card."""

from typing import Any

from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.customers import card_of
from app.gateways.stripe_double.listing import listed, page
from app.gateways.stripe_double.parameters import PAGING, choice, moment_range, parameters, text
from app.gateways.stripe_double.state import Json

INVOICES = parameters(
    {},
    customer=text,
    subscription=text,
    status=choice("draft", "open", "paid", "uncollectible", "void"),
    created=moment_range,
    **PAGING,
)
_DAY = 86_400
# Stripe's own suggestion is up to eight tries in two weeks; three make the same story shorter.
_NEXT_TRY_AFTER = (3 * _DAY, 5 * _DAY, 7 * _DAY)


def invoice(account: Account, _asked: dict[str, Any], invoice_id: str) -> Json:
    """GET /v1/invoices/:id"""
    return account.find("invoice", invoice_id)


def invoices(account: Account, asked: dict[str, Any]) -> Json:
    """GET /v1/invoices"""
    wanted = {name: asked[name] for name in ("customer", "status") if name in asked}

    def fits(it: Json) -> bool:
        return wanted.items() <= it.items() and asked.get("subscription", subscription_of(it)) == subscription_of(it)

    return page(account.all("invoice"), asked, "/v1/invoices", fits)


def subscription_of(it: Json) -> str | None:
    """The id of the subscription that an invoice is of."""
    details = (it["parent"] or {}).get("subscription_details") or {}
    found: str | None = details.get("subscription")
    return found


def open_invoice(
    account: Account,
    customer: Json,
    lines: list[Json],
    *,
    currency: str,
    reason: str,
    period: tuple[int, int],
    subscription: Json | None = None,
) -> Json:
    """A new invoice that is final and not paid yet. Stripe leaves one an hour as a draft; here that hour takes no time."""
    total = sum(line["amount"] for line in lines)
    invoice_id, now = account.new_id("in"), account.now()
    number = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = number + 1
    for line in lines:
        line["invoice"] = invoice_id
    made = {
        "id": invoice_id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Meterline's double of Stripe",
        "account_tax_ids": None,
        "amount_due": total,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "amount_remaining": total,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": now,
        "currency": currency,
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": None,
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": None,
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": now,
        "ending_balance": 0,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": f"{account.base}/i/{invoice_id}",
        "invoice_pdf": f"{account.base}/i/{invoice_id}",
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": listed(lines, f"/v1/invoices/{invoice_id}/lines"),
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": f"{customer['invoice_prefix']}-{number:04d}",
        "on_behalf_of": None,
        "parent": _parent(subscription),
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": period[1],
        "period_start": period[0],
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "open",
        "status_transitions": {
            "finalized_at": now,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "test_clock": None,
        "total": total,
        "total_discount_amounts": [],
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": now,
    }
    account.add(made, "invoice.created")
    account.emit("invoice.finalized", made)
    return made


def line(
    account: Account, subscription: Json, item: Json, *, amount: int, quantity: int, period: tuple[int, int]
) -> Json:
    """What a subscription's item costs for a period."""
    price = item["price"]
    return {
        "id": account.new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": f"{quantity} × {price['nickname'] or price['id']}",
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": dict(subscription["metadata"]),
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": {"start": period[0], "end": period[1]},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": subscription["id"],
        "subtotal": amount,
        "taxes": [],
    }


def attempt(account: Account, it: Json) -> bool:
    """Charge the customer's card; whether it paid."""
    good = it["amount_due"] == 0 or card_of(account, it["customer"]) == "good"
    settle(account, it) if good else fail(account, it)
    return good


def settle(account: Account, it: Json) -> None:
    """The money is there."""
    it.update(
        status="paid",
        attempted=True,
        attempt_count=it["attempt_count"] + (1 if it["amount_due"] else 0),
        amount_paid=it["amount_due"],
        amount_remaining=0,
        auto_advance=False,
        next_payment_attempt=None,
        status_transitions={**it["status_transitions"], "paid_at": account.now()},
    )
    account.emit("invoice.paid", it)
    account.emit("invoice.payment_succeeded", it)


def fail(account: Account, it: Json) -> None:
    """It was tried and the money did not come; it is tried again until `next_payment_attempt` is null."""
    tries = it["attempt_count"] + 1
    waits = _NEXT_TRY_AFTER[tries - 1] if tries <= len(_NEXT_TRY_AFTER) else None
    it.update(
        attempted=True,
        attempt_count=tries,
        next_payment_attempt=None if waits is None else account.now() + waits,
    )
    account.emit("invoice.payment_failed", it)


def void(account: Account, it: Json) -> None:
    """Nobody has to pay it any more."""
    it.update(
        status="void",
        auto_advance=False,
        next_payment_attempt=None,
        status_transitions={**it["status_transitions"], "voided_at": account.now()},
    )
    account.emit("invoice.voided", it)


def _parent(subscription: Json | None) -> Json | None:
    if subscription is None:
        return None
    return {
        "quote_details": None,
        "subscription_details": {
            "metadata": dict(subscription["metadata"]),
            "subscription": subscription["id"],
        },
        "type": "subscription_details",
    }
