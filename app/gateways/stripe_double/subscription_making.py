"""A subscription comes into being, and what it costs by period."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from app.gateways.stripe_double import invoices, meters
from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.customers import living_customer
from app.gateways.stripe_double.dates import next_date
from app.gateways.stripe_double.listing import listed
from app.gateways.stripe_double.state import Json

_DAY = 86_400


@dataclass(slots=True)
class Wish:
    """What a subscription shall be."""

    customer: Json
    prices: list[tuple[Json, int | None]]
    metadata: dict[str, str] = field(default_factory=dict)
    trial_end: int | None = None
    missing_payment_method: str = "create_invoice"
    description: str | None = None


def start(account: Account, wish: Wish, status: str | None = None) -> Json:
    """A new subscription: trialing, or waiting for its first payment. After checkout `status` is what the payment made of it."""
    now = account.now()
    subscription_id = account.new_id("sub")
    items = [new_item(account, subscription_id, price, quantity) for price, quantity in wish.prices]
    anchor = wish.trial_end or now
    it = {
        "id": subscription_id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": anchor,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": wish.prices[0][0]["currency"],
        "customer": wish.customer["id"],
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": wish.description,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": listed(items, f"/v1/subscription_items?subscription={subscription_id}"),
        "latest_invoice": None,
        "livemode": False,
        "managed_payments": None,
        "metadata": wish.metadata,
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "status": status or ("trialing" if wish.trial_end else "incomplete"),
        "test_clock": None,
        "transfer_data": None,
        "trial_end": wish.trial_end,
        "trial_settings": trial_settings(wish.missing_payment_method),
        "trial_start": now if wish.trial_end else None,
    }
    begin_periods(it, now)
    return account.add(it, "customer.subscription.created")


def first_invoice(account: Account, it: Json) -> Json:
    """What is due at once: the first period, in advance; of a trial nothing."""
    return invoice_of(account, it, it["items"]["data"], "subscription_create")


def next_invoice(account: Account, it: Json, due: list[Json]) -> Json:
    """What is due when the periods of some items are over: usage of the old ones, and the next ones in advance."""
    used = [_usage_line(account, it, each) for each in due if each["price"]["recurring"]["meter"]]
    for each in due:
        ended = each["current_period_end"]
        each["current_period_start"] = ended
        each["current_period_end"] = next_date(it["billing_cycle_anchor"], each["price"]["recurring"], ended)
    return invoice_of(account, it, due, "subscription_cycle", used)


def final_invoice(account: Account, it: Json) -> Json | None:
    """What was used until now and is in no invoice; None: nothing."""
    used = [_usage_line(account, it, each) for each in it["items"]["data"] if each["price"]["recurring"]["meter"]]
    used = [line for line in used if line["amount"]]
    return invoice_of(account, it, (), "subscription_update", used) if used else None


def invoice_of(account: Account, it: Json, items: Iterable[Json], reason: str, used: Iterable[Json] = ()) -> Json:
    licensed = [each for each in items if not each["price"]["recurring"]["meter"]]
    lines = [*used, *(_advance_line(account, it, each) for each in licensed)]
    now = account.now()
    made = invoices.open_invoice(
        account,
        living_customer(account, it["customer"], None),
        lines,
        currency=it["currency"],
        reason=reason,
        period=(min([line["period"]["start"] for line in lines], default=now), now),
        subscription=it,
    )
    it["latest_invoice"] = made["id"]
    return made


def _advance_line(account: Account, it: Json, item: Json) -> Json:
    start, end = item["current_period_start"], item["current_period_end"]
    on_trial = it["trial_end"] is not None and it["trial_end"] == end
    amount = 0 if on_trial else item["price"]["unit_amount"] * item["quantity"]
    # A period that will be cut short costs its part, whatever was said of prorations.
    last = min(end, it["cancel_at"] or end)
    part = round(amount * (last - start) / (end - start))
    return invoices.line(account, it, item, amount=part, quantity=item["quantity"], period=(start, last))


def _usage_line(account: Account, it: Json, item: Json) -> Json:
    period = (item["current_period_start"], item["current_period_end"])
    quantity = max(0, int(_used(account, item["price"], it["customer"], period)))
    amount = quantity * item["price"]["unit_amount"]
    return invoices.line(account, it, item, amount=amount, quantity=quantity, period=period)


def begin_periods(it: Json, now: int) -> None:
    """Each item's first period begins now. During a trial it is the trial."""
    for item in it["items"]["data"]:
        on_trial = it["trial_end"] is not None and it["trial_end"] > now
        item["current_period_start"] = now
        item["current_period_end"] = it["trial_end"] if on_trial else next_date(now, item["price"]["recurring"], now)


def new_item(account: Account, subscription_id: str, price: Json, quantity: int | None) -> Json:
    metered = price["recurring"]["usage_type"] == "metered"
    item: Json = {
        "id": account.new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": account.now(),
        "current_period_end": 0,
        "current_period_start": 0,
        "discounts": [],
        "metadata": {},
        "plan": _plan(price),
        "price": price,
        "subscription": subscription_id,
        "tax_rates": [],
    }
    return item if metered else {**item, "quantity": 1 if quantity is None else quantity}


def _plan(price: Json) -> Json:
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": recurring["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": recurring["usage_type"],
    }


def trial_end(account: Account, asked: dict[str, Any]) -> int | None:
    """When the trial ends that a call asks for, if it asks for one."""
    if "trial_period_days" in asked:
        return account.now() + int(asked["trial_period_days"]) * _DAY
    end: int | None = asked.get("trial_end")
    return end


def missing_payment_method(asked: dict[str, Any]) -> str:
    """What shall happen at the end of a trial without a card."""
    behaviour = asked.get("trial_settings", {}).get("end_behavior", {})
    return str(behaviour.get("missing_payment_method", "create_invoice"))


def trial_settings(missing_payment_method: str) -> Json:
    return {"end_behavior": {"missing_payment_method": missing_payment_method}}


def _used(account: Account, price: Json, customer_id: str, period: tuple[int, int]) -> float:
    """What a meter counted in a period that a metered price is billed for."""
    meter = account.find("billing.meter", price["recurring"]["meter"])
    return meters.aggregated(account, meter, customer_id, *period)
