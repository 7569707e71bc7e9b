"""Products and prices."""

from typing import Any

from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.listing import page
from app.gateways.stripe_double.parameters import (
    PAGING,
    choice,
    flag,
    merged_metadata,
    metadata,
    moment_range,
    number,
    parameters,
    text,
)
from app.gateways.stripe_double.problems import bad_parameter
from app.gateways.stripe_double.state import Json

_RECURRING = parameters(
    {"interval": choice("day", "week", "month", "year")},
    interval_count=number,
    usage_type=choice("licensed", "metered"),
    meter=text,
    trial_period_days=number,
)
NEW_PRODUCT = parameters({"name": text}, active=flag, description=text, metadata=metadata, id=text)
CHANGED_PRODUCT = parameters(name=text, active=flag, description=text, metadata=metadata)
PRODUCTS = parameters({}, active=flag, created=moment_range, **PAGING)
NEW_PRICE = parameters(
    {"currency": text},
    product=text,
    product_data=parameters({"name": text}, metadata=metadata),
    unit_amount=number,
    recurring=_RECURRING,
    active=flag,
    nickname=text,
    lookup_key=text,
    metadata=metadata,
)
CHANGED_PRICE = parameters(active=flag, nickname=text, lookup_key=text, metadata=metadata)
PRICES = parameters(
    {},
    active=flag,
    product=text,
    currency=text,
    type=choice("one_time", "recurring"),
    created=moment_range,
    **PAGING,
)
_LONGEST_YEARS = {"day": 3 * 365, "week": 3 * 52, "month": 36, "year": 3}


def create_product(account: Account, asked: dict[str, Any]) -> Json:
    """POST /v1/products"""
    now = account.now()
    return account.add(
        {
            "id": asked.get("id") or account.new_id("prod"),
            "object": "product",
            "active": asked.get("active", True),
            "created": now,
            "default_price": None,
            "description": asked.get("description") or None,
            "images": [],
            "livemode": False,
            "marketing_features": [],
            "metadata": merged_metadata({}, asked.get("metadata", {})),
            "name": asked["name"],
            "package_dimensions": None,
            "shippable": None,
            "statement_descriptor": None,
            "tax_code": None,
            "type": "service",
            "unit_label": None,
            "updated": now,
            "url": None,
        },
        "product.created",
    )


def product(account: Account, _asked: dict[str, Any], product_id: str) -> Json:
    """GET /v1/products/:id"""
    return account.find("product", product_id)


def products(account: Account, asked: dict[str, Any]) -> Json:
    """GET /v1/products"""
    return page(
        account.all("product"), asked, "/v1/products", lambda it: asked.get("active", it["active"]) == it["active"]
    )


def change_product(account: Account, asked: dict[str, Any], product_id: str) -> Json:
    """POST /v1/products/:id"""
    return _changed(account, account.find("product", product_id), asked, updated=account.now())


def create_price(account: Account, asked: dict[str, Any]) -> Json:
    """POST /v1/prices"""
    amount = _unit_amount(asked)
    recurring = _recurring(account, asked["recurring"]) if "recurring" in asked else None
    return account.add(
        {
            "id": asked.get("id") or account.new_id("price"),
            "object": "price",
            "active": asked.get("active", True),
            "billing_scheme": "per_unit",
            "created": account.now(),
            "currency": asked["currency"].lower(),
            "custom_unit_amount": None,
            "livemode": False,
            "lookup_key": asked.get("lookup_key") or None,
            "metadata": merged_metadata({}, asked.get("metadata", {})),
            "nickname": asked.get("nickname") or None,
            "product": _product_of_price(account, asked),
            "recurring": recurring,
            "tax_behavior": "unspecified",
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "recurring" if recurring else "one_time",
            "unit_amount": amount,
            "unit_amount_decimal": str(amount),
        },
        "price.created",
    )


def price(account: Account, _asked: dict[str, Any], price_id: str) -> Json:
    """GET /v1/prices/:id"""
    return account.find("price", price_id)


def prices(account: Account, asked: dict[str, Any]) -> Json:
    """GET /v1/prices"""
    wanted = {name: asked[name] for name in ("active", "product", "currency", "type") if name in asked}
    return page(account.all("price"), asked, "/v1/prices", lambda it: wanted.items() <= it.items())


def change_price(account: Account, asked: dict[str, Any], price_id: str) -> Json:
    """POST /v1/prices/:id"""
    return _changed(account, account.find("price", price_id), asked)


def price_for_sale(account: Account, price_id: str, param: str) -> Json:
    """A price that somebody may buy at. Raises ProblemError."""
    it = account.find("price", price_id, param)
    if not it["active"]:
        raise bad_parameter("The price specified is inactive. This field only accepts active prices.", param)
    return it


def _changed(account: Account, it: Json, asked: dict[str, Any], **values: Any) -> Json:
    wanted = {
        name: asked[name] or None if name in ("nickname", "lookup_key", "description") else asked[name]
        for name in asked
    }
    if "metadata" in asked:
        wanted["metadata"] = merged_metadata(it["metadata"] if asked["metadata"] else {}, asked["metadata"])
    account.change(it, f"{it['object']}.updated", **wanted, **values)
    return it


def _product_of_price(account: Account, asked: dict[str, Any]) -> str:
    if ("product" in asked) == ("product_data" in asked):
        raise bad_parameter("You must specify either `product` or `product_data` when creating a price.", "product")
    if "product_data" in asked:
        return str(create_product(account, asked["product_data"])["id"])
    return str(account.find("product", asked["product"], "product")["id"])


def _unit_amount(asked: dict[str, Any]) -> int:
    amount = asked.get("unit_amount")
    if amount is None or amount < 0:
        raise bad_parameter("This value must be greater than or equal to 0.", "unit_amount")
    return int(amount)


def _recurring(account: Account, asked: dict[str, Any]) -> Json:
    usage_type, meter = asked.get("usage_type", "licensed"), asked.get("meter")
    if usage_type == "metered":
        # Since 2025-03-31 there is no metered price without a meter.
        account.find("billing.meter", meter or "", "recurring[meter]")
    elif meter:
        raise bad_parameter("A price with `usage_type=licensed` has no meter.", "recurring[meter]")
    interval, count = asked["interval"], asked.get("interval_count", 1)
    if not 1 <= count <= _LONGEST_YEARS[interval]:
        raise bad_parameter("The interval must be at most three years.", "recurring[interval_count]")
    return {
        "interval": interval,
        "interval_count": count,
        "meter": meter,
        "trial_period_days": asked.get("trial_period_days"),
        "usage_type": usage_type,
    }
