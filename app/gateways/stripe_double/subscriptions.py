"""Subscriptions: made, changed and ended. What they do as time goes is in `cycles`.

Prorations are left out, but for a later period that `cancel_at` cuts short: a changed price of the same interval costs from the
next period on, one of another interval starts a period now.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from app.gateways.stripe_double import collecting, customers, invoices
from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.catalogue import price_for_sale
from app.gateways.stripe_double.customers import card_of, living_customer
from app.gateways.stripe_double.listing import page
from app.gateways.stripe_double.parameters import (
    PAGING,
    ListOf,
    OrEmpty,
    Reader,
    choice,
    flag,
    merged_metadata,
    metadata,
    moment_range,
    number,
    parameters,
    text,
)
from app.gateways.stripe_double.problems import ProblemError, bad_parameter, no_such
from app.gateways.stripe_double.state import Json
from app.gateways.stripe_double.subscription_making import (
    Wish,
    begin_periods,
    final_invoice,
    first_invoice,
    invoice_of,
    missing_payment_method,
    new_item,
    start,
    trial_end,
    trial_settings,
)

_PRORATION = choice("create_prorations", "none", "always_invoice")
TRIAL_SETTINGS = parameters(
    {
        "end_behavior": parameters(
            {"missing_payment_method": choice("cancel", "create_invoice", "pause")},
        )
    }
)
_SHARED: Mapping[str, Reader] = {
    "metadata": metadata,
    "cancel_at_period_end": flag,
    "default_payment_method": text,
    "proration_behavior": _PRORATION,
    "trial_settings": TRIAL_SETTINGS,
}
NEW_SUBSCRIPTION = parameters(
    {"customer": text, "items": ListOf(parameters({"price": text}, quantity=number, metadata=metadata))},
    trial_period_days=number,
    trial_end=number,
    payment_behavior=choice("allow_incomplete", "default_incomplete", "error_if_incomplete"),
    **_SHARED,
)
CHANGED_SUBSCRIPTION = parameters(
    {},
    items=ListOf(parameters({}, id=text, price=text, quantity=number, deleted=flag)),
    pause_collection=OrEmpty(
        parameters({"behavior": choice("keep_as_draft", "mark_uncollectible", "void")}, resumes_at=number)
    ),
    cancel_at=OrEmpty(number),
    **_SHARED,
)
CANCELLED_SUBSCRIPTION = parameters(invoice_now=flag, prorate=flag)
SUBSCRIPTIONS = parameters(
    {},
    customer=text,
    price=text,
    status=choice(
        "active",
        "all",
        "canceled",
        "ended",
        "incomplete",
        "incomplete_expired",
        "past_due",
        "paused",
        "trialing",
        "unpaid",
    ),
    created=moment_range,
    **PAGING,
)
_ENDED = ("canceled", "incomplete_expired")


def create_subscription(account: Account, asked: dict[str, Any]) -> Json:
    """POST /v1/subscriptions"""
    customer = living_customer(account, asked["customer"])
    prices = [_price_and_quantity(account, each, number) for number, each in enumerate(asked["items"])]
    wish = Wish(
        customer,
        prices,
        merged_metadata({}, asked.get("metadata", {})),
        trial_end(account, asked),
        missing_payment_method(asked),
    )
    declines = card_of(account, customer["id"]) != "good" and wish.trial_end is None
    if declines and asked.get("payment_behavior") == "error_if_incomplete":
        raise ProblemError("Your card was declined.", status=402, kind="card_error", code="card_declined")
    it = start(account, wish)
    invoice = first_invoice(account, it)
    if asked.get("payment_behavior") != "default_incomplete":
        collecting.collect(account, it, invoice)
    return it


def subscription(account: Account, _asked: dict[str, Any], subscription_id: str) -> Json:
    """GET /v1/subscriptions/:id"""
    return account.find("subscription", subscription_id)


def subscriptions(account: Account, asked: dict[str, Any]) -> Json:
    """GET /v1/subscriptions. Ended ones only where the status asks for them."""
    status = asked.get("status")

    def fits(it: Json) -> bool:
        by_status = {None: it["status"] not in _ENDED, "all": True, "ended": it["status"] in _ENDED}
        prices = [each["price"]["id"] for each in it["items"]["data"]]
        return (
            by_status.get(status, it["status"] == status)
            and asked.get("customer", it["customer"]) == it["customer"]
            and ("price" not in asked or asked["price"] in prices)
        )

    return page(account.all("subscription"), asked, "/v1/subscriptions", fits)


def change_subscription(account: Account, asked: dict[str, Any], subscription_id: str) -> Json:
    """POST /v1/subscriptions/:id"""
    it = account.find("subscription", subscription_id)
    if it["status"] in _ENDED and set(asked) - {"metadata"}:
        raise bad_parameter("A canceled subscription can only update its cancellation_details and metadata.", "id")
    values: dict[str, Any] = {}
    if "metadata" in asked:
        values["metadata"] = merged_metadata(it["metadata"] if asked["metadata"] else {}, asked["metadata"])
    if "cancel_at_period_end" in asked or "cancel_at" in asked:
        values |= _cancellation(account, it, asked)
    if "pause_collection" in asked:
        pause = asked["pause_collection"]
        values["pause_collection"] = pause and {"resumes_at": None, **pause}
    if "trial_settings" in asked:
        values["trial_settings"] = trial_settings(missing_payment_method(asked))
    if "default_payment_method" in asked:
        values["default_payment_method"] = asked["default_payment_method"] or None
    starts_anew = False
    if "items" in asked:
        values["items"], starts_anew = _changed_items(account, it, asked["items"])
    if starts_anew:
        values["billing_cycle_anchor"] = account.now()
    account.change(it, "customer.subscription.updated", **values)
    if starts_anew and it["status"] != "trialing":
        collecting.collect(account, it, invoice_of(account, it, it["items"]["data"], "subscription_update"))
    return it


def cancel_subscription(account: Account, asked: dict[str, Any], subscription_id: str) -> Json:
    """DELETE /v1/subscriptions/:id. One that has ended is not found any more."""
    it = account.find("subscription", subscription_id)
    if it["status"] in _ENDED:
        raise no_such("subscription", subscription_id)
    if asked.get("invoice_now"):
        final = final_invoice(account, it)
        if final is not None:
            invoices.attempt(account, final)
    collecting.end(account, it, "cancellation_requested")
    return it


def delete_customer(account: Account, asked: dict[str, Any], customer_id: str) -> Json:
    """DELETE /v1/customers/:id. What they have ends with them."""
    living_customer(account, customer_id, None)
    for it in list(account.all("subscription")):
        if it["customer"] == customer_id and it["status"] not in _ENDED:
            collecting.end(account, it, "cancellation_requested")
    return customers.delete_customer(account, asked, customer_id)


def resume_subscription(account: Account, _asked: dict[str, Any], subscription_id: str) -> Json:
    """POST /v1/subscriptions/:id/resume: one that is paused for want of a card. A period starts now."""
    it = account.find("subscription", subscription_id)
    if it["status"] != "paused":
        raise bad_parameter("Only paused subscriptions can be resumed.", "id")
    begin_periods(it, account.now())
    account.change(it, "customer.subscription.resumed", status="active", billing_cycle_anchor=account.now())
    collecting.collect(account, it, invoice_of(account, it, it["items"]["data"], "subscription_cycle"))
    return it


def _changed_items(account: Account, it: Json, asked: list[dict[str, Any]]) -> tuple[Json, bool]:
    items = [dict(each) for each in it["items"]["data"]]
    intervals = _intervals(items)
    for number_, each in enumerate(asked):
        items = _with_change(account, it, items, each, number_)
    if not items:
        raise bad_parameter("A subscription must have at least one active plan.", "items")
    starts_anew = not _intervals(items) <= intervals
    if starts_anew:
        begin_periods({**it, "items": {"data": items}}, account.now())
    return {**it["items"], "data": items}, starts_anew


def _with_change(account: Account, it: Json, items: list[Json], asked: dict[str, Any], number_: int) -> list[Json]:
    if "id" not in asked:
        price, quantity = _price_and_quantity(account, asked, number_)
        added = new_item(account, it["id"], price, quantity)
        first = it["items"]["data"][0]
        same = {name: first[name] for name in ("current_period_start", "current_period_end")}
        return [*items, {**added, **same}]
    found = next((each for each in items if each["id"] == asked["id"]), None)
    if found is None:
        raise no_such("subscription_item", asked["id"], f"items[{number_}][id]")
    if asked.get("deleted"):
        return [each for each in items if each is not found]
    if "price" in asked:
        price, quantity = _price_and_quantity(account, {"quantity": found.get("quantity"), **asked}, number_)
        fresh = new_item(account, it["id"], price, quantity)
        found.update({name: fresh[name] for name in ("price", "plan", "quantity") if name in fresh})
    elif "quantity" in asked:
        found["quantity"] = asked["quantity"]
    return items


def _intervals(items: Iterable[Json]) -> set[tuple[str, int]]:
    return {(each["price"]["recurring"]["interval"], each["price"]["recurring"]["interval_count"]) for each in items}


def _price_and_quantity(account: Account, asked: dict[str, Any], number_: int) -> tuple[Json, int | None]:
    where = f"items[{number_}][price]"
    price = price_for_sale(account, asked.get("price", ""), where)
    if price["recurring"] is None:
        raise bad_parameter(f"The price specified is set to `type=one_time`: {price['id']}", where)
    return price, asked.get("quantity")


def _cancellation(account: Account, it: Json, asked: dict[str, Any]) -> dict[str, Any]:
    at_end = asked.get("cancel_at_period_end", False)
    if asked.get("cancel_at") and (at_end or asked["cancel_at"] <= account.now()):
        raise bad_parameter("It must be in the future, and not together with `cancel_at_period_end`.", "cancel_at")
    latest = max(each["current_period_end"] for each in it["items"]["data"])
    cancel_at = latest if at_end else asked.get("cancel_at")
    return {
        "cancel_at_period_end": at_end,
        "cancel_at": cancel_at,
        "canceled_at": account.now() if cancel_at else None,
        "cancellation_details": {
            "comment": None,
            "feedback": None,
            "reason": "cancellation_requested" if cancel_at else None,
        },
    }
