"""Customers, and what their payments do."""

from typing import Any

from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.listing import page
from app.gateways.stripe_double.parameters import (
    PAGING,
    merged_metadata,
    metadata,
    moment_range,
    parameters,
    text,
)
from app.gateways.stripe_double.problems import no_such
from app.gateways.stripe_double.state import Json

NEW_CUSTOMER = parameters(email=text, name=text, description=text, phone=text, metadata=metadata)
CUSTOMERS = parameters({}, email=text, created=moment_range, **PAGING)
CARDS = ("good", "declines", "none")


def create_customer(account: Account, asked: dict[str, Any]) -> Json:
    """POST /v1/customers"""
    customer_id = asked.get("id") or account.new_id("cus")
    return account.add(
        {
            "id": customer_id,
            "object": "customer",
            "address": None,
            "balance": 0,
            "created": account.now(),
            "currency": None,
            "customer_account": None,
            "default_source": None,
            "delinquent": False,
            "description": asked.get("description") or None,
            "discount": None,
            "email": asked.get("email") or None,
            "invoice_prefix": customer_id[-8:].upper(),
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": None,
                "footer": None,
                "rendering_options": None,
            },
            "livemode": False,
            "metadata": merged_metadata({}, asked.get("metadata", {})),
            "name": asked.get("name") or None,
            "next_invoice_sequence": 1,
            "phone": asked.get("phone") or None,
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
            "test_clock": None,
        },
        "customer.created",
    )


def customer(account: Account, _asked: dict[str, Any], customer_id: str) -> Json:
    """GET /v1/customers/:id. Of a deleted one there is only the id."""
    return account.find("customer", customer_id)


def customers(account: Account, asked: dict[str, Any]) -> Json:
    """GET /v1/customers. An email is compared letter by letter, as Stripe does."""
    return page(
        account.all("customer"),
        asked,
        "/v1/customers",
        lambda it: "deleted" not in it and asked.get("email", it["email"]) == it["email"],
    )


def change_customer(account: Account, asked: dict[str, Any], customer_id: str) -> Json:
    """POST /v1/customers/:id"""
    it = living_customer(account, customer_id, None)
    wanted = {name: value or None for name, value in asked.items() if name != "metadata"}
    if "metadata" in asked:
        wanted["metadata"] = merged_metadata(it["metadata"] if asked["metadata"] else {}, asked["metadata"])
    account.change(it, "customer.updated", **wanted)
    return it


def delete_customer(account: Account, _asked: dict[str, Any], customer_id: str) -> Json:
    """Leave nothing of a customer but the id. Their subscriptions have been ended before, by who calls this."""
    it = living_customer(account, customer_id, None)
    account.emit("customer.deleted", it)
    it_is_gone = {"id": customer_id, "object": "customer", "deleted": True}
    account.state.objects["customer"][customer_id] = it_is_gone
    return it_is_gone


def living_customer(account: Account, customer_id: str, param: str | None = "customer") -> Json:
    """A customer that was not deleted. Raises ProblemError."""
    it = account.find("customer", customer_id, param)
    if "deleted" in it:
        raise no_such("customer", customer_id, param)
    return it


def card_of(account: Account, customer_id: str) -> str:
    """What paying with the customer's card does. Who was made over the API has a good one, so that tests need not give it."""
    return account.state.cards.get(customer_id, "good")


def set_card(account: Account, customer_id: str, card: str) -> None:
    """Give a customer another card: one of CARDS."""
    living_customer(account, customer_id)
    account.state.cards[customer_id] = card
