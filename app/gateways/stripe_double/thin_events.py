"""Thin events: a webhook has ids alone, and what happened is asked for, within 30 days. Here they tell of meters' errors.

Source: docs.stripe.com/api/v2/core/events/object
"""

from datetime import UTC, datetime
from typing import Any

from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.problems import no_such
from app.gateways.stripe_double.state import Json

EVENT, DESTINATION = "v2.core.event", "v2.core.event_destination"
_KEPT = 30 * 86_400
_WINDOW = 10


def thin_event(account: Account, _asked: dict[str, Any], event_id: str) -> Json:
    """GET /v2/core/events/:id"""
    it = account.find(EVENT, event_id)
    if datetime.fromisoformat(it["created"]).timestamp() <= account.now() - _KEPT:
        raise no_such("event", event_id)
    return it


def set_destination(account: Account, url: str, secret: str) -> str:
    """Send thin events there, and nowhere else; the id of the destination, as if made in the dashboard."""
    made: Json = {
        "id": account.new_id("ed_test"),
        "object": DESTINATION,
        "enabled_events": ["*"],
        "event_payload": "thin",
        "livemode": False,
        "status": "enabled",
        "webhook_endpoint": {"url": url},
    }
    account.state.objects[DESTINATION] = {made["id"]: made}
    account.state.secrets[made["id"]] = [secret]
    return str(made["id"])


def tell_of_meter_error(account: Account, meter: Json | None, identifier: str, code: str, message: str) -> Json:
    """A usage event was taken and cannot be counted. `meter` None: there is none for it."""
    now = account.now()
    sample = {"error_message": message, "request": {"identifier": identifier}}
    found = {"code": code, "error_count": 1, "sample_errors": [sample]}
    related = (
        {"id": meter["id"], "type": meter["object"], "url": f"/v1/billing/meters/{meter['id']}"} if meter else None
    )
    made = account.add(
        {
            "id": account.new_id("evt_test"),
            "object": EVENT,
            "context": None,
            "created": _text(now),
            "data": {
                "developer_message_summary": "There is 1 invalid event",
                "reason": {"error_count": 1, "error_types": [found]},
                "validation_end": _text(now),
                "validation_start": _text(now - _WINDOW),
            },
            "livemode": False,
            "reason": None,
            "related_object": related,
            "type": f"v1.billing.meter.{'error_report_triggered' if meter else 'no_meter_found'}",
        }
    )
    for destination in account.all(DESTINATION):
        account.tell(destination["id"], made["id"])
    return made


def as_told(event: Json) -> Json:
    """What a webhook has of an event: of a thin one not what it is about."""
    return {name: value for name, value in event.items() if name != "data"} if event["object"] == EVENT else event


def _text(stamp: int) -> str:
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
