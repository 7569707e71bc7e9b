"""The items of a subscription: the first ones come with it, and all of them in pages."""

from typing import Any

from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.listing import page
from app.gateways.stripe_double.parameters import PAGING, parameters, text
from app.gateways.stripe_double.state import Json

_INSIDE = 10
SUBSCRIPTION_ITEMS = parameters({"subscription": text}, **PAGING)


def subscription_items(account: Account, asked: dict[str, Any]) -> Json:
    """GET /v1/subscription_items"""
    it = account.find("subscription", asked["subscription"], "subscription")
    # In the order in which they were added: `page` turns round what it is given.
    return page(it["items"]["data"][::-1], asked, "/v1/subscription_items")


def cut(answer: Json) -> Json:
    """An answer as it leaves: a subscription with many items, wherever it is in there, has only the first of them."""
    shown = {name: _cut(value) for name, value in answer.items()}
    if shown.get("object") == "subscription" and len(shown["items"]["data"]) > _INSIDE:
        shown["items"] = {**shown["items"], "data": shown["items"]["data"][:_INSIDE], "has_more": True}
    return shown


def _cut(value: Any) -> Any:
    if isinstance(value, list):
        return [_cut(each) for each in value]
    return cut(value) if isinstance(value, dict) else value
