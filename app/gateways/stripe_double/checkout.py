"""Checkout sessions, as long as nobody has paid. What a payment makes of one is in `outcomes`."""

import re
import secrets
from typing import Any

from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.catalogue import price_for_sale
from app.gateways.stripe_double.customers import living_customer
from app.gateways.stripe_double.listing import page
from app.gateways.stripe_double.parameters import (
    PAGING,
    ListOf,
    choice,
    flag,
    merged_metadata,
    metadata,
    moment_range,
    number,
    parameters,
    text,
    url,
)
from app.gateways.stripe_double.problems import ProblemError, bad_parameter, missing_parameter
from app.gateways.stripe_double.state import Json
from app.gateways.stripe_double.subscriptions import TRIAL_SETTINGS

_LINE = parameters({"price": text}, quantity=number)
NEW_SESSION = parameters(
    {"mode": choice("payment", "subscription"), "line_items": ListOf(_LINE), "success_url": url},
    cancel_url=url,
    client_reference_id=text,
    customer=text,
    customer_email=text,
    customer_creation=choice("always", "if_required"),
    expires_at=number,
    metadata=metadata,
    allow_promotion_codes=flag,
    payment_method_collection=choice("always", "if_required"),
    payment_intent_data=parameters(metadata=metadata, description=text),
    subscription_data=parameters(
        metadata=metadata,
        description=text,
        trial_period_days=number,
        trial_end=number,
        trial_settings=TRIAL_SETTINGS,
    ),
)
CHANGED_SESSION = parameters(metadata=metadata)
SESSIONS = parameters(
    {},
    customer=text,
    customer_details=parameters({"email": text}),
    payment_intent=text,
    subscription=text,
    status=choice("open", "complete", "expired"),
    created=moment_range,
    **PAGING,
)
LINES = parameters({}, **PAGING)
_HOUR = 3_600
_SHORTEST, _LONGEST = _HOUR // 2, 24 * _HOUR
_REFERENCE_LENGTH = 200
# ASCII only, unlike ours.
_EMAIL = re.compile(r"[!-?A-~]+@[!-?A-~]+")


def create_session(account: Account, asked: dict[str, Any]) -> Json:
    """POST /v1/checkout/sessions"""
    lines = [_line(account, each, number_) for number_, each in enumerate(asked["line_items"])]
    _check_mode(asked, [each["price"] for each in lines])
    _check_buyer(account, asked)
    session_id = f"cs_test_{secrets.token_hex(29)}"
    account.state.lines[session_id] = lines
    account.state.notes[session_id] = asked.get("subscription_data", {}) | asked.get("payment_intent_data", {})
    return account.add(_session(account, asked, session_id, lines))


def session(account: Account, _asked: dict[str, Any], session_id: str) -> Json:
    """GET /v1/checkout/sessions/:id"""
    return account.find("checkout.session", session_id)


def sessions(account: Account, asked: dict[str, Any]) -> Json:
    """GET /v1/checkout/sessions"""
    names = ("customer", "payment_intent", "subscription", "status")
    wanted = {name: asked[name] for name in names if name in asked}
    email = asked.get("customer_details", {}).get("email")

    def fits(it: Json) -> bool:
        return wanted.items() <= it.items() and email in (None, (it["customer_details"] or {}).get("email"))

    return page(account.all("checkout.session"), asked, "/v1/checkout/sessions", fits)


def change_session(account: Account, asked: dict[str, Any], session_id: str) -> Json:
    """POST /v1/checkout/sessions/:id"""
    it = account.find("checkout.session", session_id)
    if "metadata" in asked:
        it["metadata"] = merged_metadata(it["metadata"] if asked["metadata"] else {}, asked["metadata"])
    return it


def line_items(account: Account, asked: dict[str, Any], session_id: str) -> Json:
    """GET /v1/checkout/sessions/:id/line_items, in the order in which they were given."""
    account.find("checkout.session", session_id)
    found = account.state.lines[session_id]
    return page(found[::-1], asked, f"/v1/checkout/sessions/{session_id}/line_items")


def expire_session(account: Account, _asked: dict[str, Any], session_id: str) -> Json:
    """POST /v1/checkout/sessions/:id/expire"""
    it = account.find("checkout.session", session_id)
    if it["status"] != "open":
        raise ProblemError(
            "Only Checkout Sessions with a status in ['open'] can be expired. "
            f"This Checkout Session has a status of {it['status']}."
        )
    expire(account, it)
    return it


def expire(account: Account, it: Json) -> None:
    """Nobody can pay it any more."""
    it.update(status="expired", url=None)
    account.emit("checkout.session.expired", it)


def _line(account: Account, asked: dict[str, Any], number_: int) -> Json:
    where = f"line_items[{number_}]"
    price = price_for_sale(account, asked["price"], f"{where}[price]")
    metered = price["recurring"] is not None and price["recurring"]["usage_type"] == "metered"
    quantity = asked.get("quantity")
    if metered and quantity is not None:
        raise bad_parameter(
            f"Quantity should not be specified where usage_type is `metered`. Remove `quantity` from `{where}`.",
            f"{where}[quantity]",
        )
    if not metered and quantity is None:
        raise missing_parameter(f"{where}[quantity]")
    amount = 0 if quantity is None else price["unit_amount"] * quantity
    line = {
        "id": account.new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": account.find("product", price["product"])["name"],
        "metadata": {},
        "price": price,
    }
    return line if quantity is None else {**line, "quantity": quantity}


def _check_mode(asked: dict[str, Any], prices: list[Json]) -> None:
    subscribing = asked["mode"] == "subscription"
    if not prices:
        raise missing_parameter("line_items")
    if len({each["currency"] for each in prices}) > 1:
        raise bad_parameter("All prices must be of the same currency.", "line_items")
    if subscribing and not any(each["recurring"] for each in prices):
        raise bad_parameter(
            "You must provide at least one recurring price in `subscription` mode when using prices.", "mode"
        )
    if not subscribing and any(each["recurring"] for each in prices):
        raise bad_parameter(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only "
            "one-time prices.",
            "mode",
        )
    stranger = "payment_intent_data" if subscribing else "subscription_data"
    if stranger in asked:
        raise bad_parameter(f"You can not pass `{stranger}` in `{asked['mode']}` mode.", stranger)
    if subscribing and "customer_creation" in asked:
        raise bad_parameter("`customer_creation` can only be used in `payment` mode.", "customer_creation")


def _check_buyer(account: Account, asked: dict[str, Any]) -> None:
    if len(asked.get("client_reference_id", "")) > _REFERENCE_LENGTH:
        raise bad_parameter("Invalid string: must be at most 200 characters", "client_reference_id")
    given = [name for name in ("customer", "customer_email", "customer_creation") if name in asked]
    if "customer" in given and len(given) > 1:
        raise bad_parameter(f"You may only specify one of these parameters: {', '.join(given)}.", given[1])
    email = asked.get("customer_email")
    if email is not None and not _EMAIL.fullmatch(email):
        raise bad_parameter(f"Invalid email address: {email}", "customer_email", "email_invalid")
    if "customer" in asked:
        living_customer(account, asked["customer"])
    now = account.now()
    if not now + _SHORTEST <= asked.get("expires_at", now + _LONGEST) <= now + _LONGEST:
        raise bad_parameter(
            "The `expires_at` timestamp must be at least 30 minutes and less than 24 hours from Checkout Session creation.",
            "expires_at",
        )


def _session(account: Account, asked: dict[str, Any], session_id: str, lines: list[Json]) -> Json:
    now = account.now()
    on_trial = bool({"trial_period_days", "trial_end"} & set(asked.get("subscription_data", {})))
    once = sum(each["amount_total"] for each in lines if not each["price"]["recurring"])
    total = once if on_trial else sum(each["amount_total"] for each in lines)
    customer = living_customer(account, asked["customer"]) if "customer" in asked else None
    email = customer["email"] if customer else asked.get("customer_email")
    return {
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": asked.get("allow_promotion_codes"),
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": asked.get("cancel_url"),
        "client_reference_id": asked.get("client_reference_id") or None,
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": now,
        "currency": lines[0]["currency"],
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": customer["id"] if customer else None,
        "customer_account": None,
        "customer_creation": _customer_creation(asked),
        "customer_details": details(email, None) if email else None,
        "customer_email": None if customer else email,
        "discounts": [],
        "expires_at": asked.get("expires_at", now + _LONGEST),
        "integration_identifier": None,
        "invoice": None,
        "invoice_creation": None if asked["mode"] == "subscription" else _NO_INVOICE,
        "livemode": False,
        "locale": None,
        "managed_payments": None,
        "metadata": merged_metadata({}, asked.get("metadata", {})),
        "mode": asked["mode"],
        "optional_items": None,
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": asked.get("payment_method_collection", "always"),
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card", "sepa_debit"],
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "success_url": asked["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{account.base}/c/pay/{session_id}",
        "wallet_options": None,
    }


_NO_INVOICE: Json = {
    "enabled": False,
    "invoice_data": {
        "account_tax_ids": None,
        "custom_fields": None,
        "description": None,
        "footer": None,
        "issuer": None,
        "metadata": {},
        "rendering_options": None,
    },
}


def details(email: str | None, name: str | None) -> Json:
    """What the buyer said of themselves."""
    return {
        "address": None,
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }


def _customer_creation(asked: dict[str, Any]) -> str | None:
    if "customer" in asked:
        return None
    return "always" if asked["mode"] == "subscription" else asked.get("customer_creation", "if_required")
