"""Events: what happened, for 30 days."""

from typing import Any

from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.listing import page
from app.gateways.stripe_double.parameters import PAGING, ListOf, flag, moment_range, parameters, text
from app.gateways.stripe_double.problems import bad_parameter, no_such
from app.gateways.stripe_double.state import Json

EVENTS = parameters({}, type=text, types=ListOf(text), created=moment_range, delivery_success=flag, **PAGING)
_KEPT = 30 * 86_400
_MOST_TYPES = 20


def event(account: Account, _asked: dict[str, Any], event_id: str) -> Json:
    """GET /v1/events/:id"""
    it = account.find("event", event_id)
    if not _is_kept(account, it):
        raise no_such("event", event_id)
    return it


def events(account: Account, asked: dict[str, Any]) -> Json:
    """GET /v1/events"""
    if "type" in asked and "types" in asked:
        raise bad_parameter("You may only specify one of these parameters: type, types.", "types")
    types = asked.get("types", [asked["type"]] if "type" in asked else [])
    if len(types) > _MOST_TYPES:
        raise bad_parameter(f"You can filter by at most {_MOST_TYPES} types.", "types")

    def fits(it: Json) -> bool:
        delivered = it["pending_webhooks"] == 0
        return (
            _is_kept(account, it)
            and (not types or any(_is_of(it["type"], each) for each in types))
            and asked.get("delivery_success", delivered) == delivered
        )

    return page(account.all("event"), asked, "/v1/events", fits)


def _is_of(kind: str, wanted: str) -> bool:
    return kind == wanted or (wanted.endswith("*") and kind.startswith(wanted[:-1]))


def _is_kept(account: Account, it: Json) -> bool:
    return bool(it["created"] > account.now() - _KEPT)
