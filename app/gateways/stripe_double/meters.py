"""Meters: usage that is reported, and billed by metered prices. Here an event counts at once; at Stripe it takes a while.

One of a customer who was deleted is taken and not counted, which a thin event tells.
"""

from typing import Any

from app.gateways.stripe_double import thin_events
from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.listing import listed, page
from app.gateways.stripe_double.parameters import PAGING, choice, metadata, number, parameters, text
from app.gateways.stripe_double.problems import ProblemError, bad_parameter
from app.gateways.stripe_double.state import Json

NEW_METER = parameters(
    {
        "display_name": text,
        "event_name": text,
        "default_aggregation": parameters({"formula": choice("count", "last", "sum")}),
    },
    customer_mapping=parameters({"event_payload_key": text, "type": choice("by_id")}),
    value_settings=parameters({"event_payload_key": text}),
    event_time_window=choice("day", "hour"),
)
METERS = parameters({}, status=choice("active", "inactive"), **PAGING)
NEW_METER_EVENT = parameters({"event_name": text, "payload": metadata}, identifier=text, timestamp=number)
NEW_ADJUSTMENT = parameters({"event_name": text, "type": choice("cancel")}, cancel=parameters({"identifier": text}))
SUMMARIES = parameters(
    {"customer": text, "start_time": number, "end_time": number},
    value_grouping_window=choice("day", "hour"),
    **PAGING,
)
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_WINDOWS = {"hour": _HOUR, "day": _DAY}
_OLDEST, _AHEAD = 35 * _DAY, 300
_LONGEST_IDENTIFIER = 100
_COUNTED, _NOT_COUNTED = "billing.meter_event", "billing.meter_event.not_counted"


def create_meter(account: Account, asked: dict[str, Any]) -> Json:
    """POST /v1/billing/meters"""
    if _active(account, asked["event_name"]):
        raise ProblemError(f"An active meter with event name {asked['event_name']} already exists.")
    now = account.now()
    mapping = asked.get("customer_mapping", {"event_payload_key": "stripe_customer_id"})
    return account.add(
        {
            "id": account.new_id("mtr_test"),
            "object": "billing.meter",
            "created": now,
            "customer_mapping": {"type": "by_id", **mapping},
            "default_aggregation": asked["default_aggregation"],
            "display_name": asked["display_name"],
            "event_name": asked["event_name"],
            "event_time_window": asked.get("event_time_window"),
            "livemode": False,
            "status": "active",
            "status_transitions": {"deactivated_at": None},
            "updated": now,
            "value_settings": asked.get("value_settings", {"event_payload_key": "value"}),
        },
        "billing.meter.created",
    )


def meter(account: Account, _asked: dict[str, Any], meter_id: str) -> Json:
    """GET /v1/billing/meters/:id"""
    return account.find("billing.meter", meter_id)


def meters(account: Account, asked: dict[str, Any]) -> Json:
    """GET /v1/billing/meters"""
    return page(
        account.all("billing.meter"),
        asked,
        "/v1/billing/meters",
        lambda it: asked.get("status", it["status"]) == it["status"],
    )


def deactivate_meter(account: Account, _asked: dict[str, Any], meter_id: str) -> Json:
    """POST /v1/billing/meters/:id/deactivate"""
    it = account.find("billing.meter", meter_id)
    now = account.now()
    account.change(
        it, "billing.meter.deactivated", status="inactive", status_transitions={"deactivated_at": now}, updated=now
    )
    return it


def reactivate_meter(account: Account, _asked: dict[str, Any], meter_id: str) -> Json:
    """POST /v1/billing/meters/:id/reactivate"""
    it = account.find("billing.meter", meter_id)
    transitions = {"deactivated_at": None}
    account.change(
        it, "billing.meter.reactivated", status="active", status_transitions=transitions, updated=account.now()
    )
    return it


def create_meter_event(account: Account, asked: dict[str, Any]) -> Json:
    """POST /v1/billing/meter_events"""
    found = _active(account, asked["event_name"])
    if found is None:
        raise bad_parameter(f"No active meter found with event name {asked['event_name']}.", "event_name")
    _check_payload(account, found, asked["payload"])
    identifier = asked.get("identifier") or account.new_id("evt")
    if len(identifier) > _LONGEST_IDENTIFIER:
        raise bad_parameter("The identifier is too long.", "identifier")
    if any(identifier in account.state.objects.get(kind, {}) for kind in (_COUNTED, _NOT_COUNTED)):
        # In the words of a case that was seen at Stripe; its code is in no list.
        raise ProblemError(f"An event already exists with identifier {identifier}.", code="duplicate_meter_event")
    now = account.now()
    timestamp = asked.get("timestamp", now)
    if not now - _OLDEST <= timestamp <= now + _AHEAD:
        raise bad_parameter(
            "The timestamp must be within the past 35 calendar days or up to 5 minutes in the future.", "timestamp"
        )
    made = {
        "object": "billing.meter_event",
        "created": now,
        "event_name": asked["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": asked["payload"],
        "timestamp": timestamp,
    }
    customer = account.find("customer", asked["payload"][found["customer_mapping"]["event_payload_key"]])
    account.state.objects.setdefault(_NOT_COUNTED if "deleted" in customer else _COUNTED, {})[identifier] = made
    if "deleted" in customer:
        message = f"No such customer: '{customer['id']}'"
        thin_events.tell_of_meter_error(account, found, identifier, "meter_event_customer_not_found", message)
    return made


def create_adjustment(account: Account, asked: dict[str, Any]) -> Json:
    """POST /v1/billing/meter_event_adjustments: take an event back, within a day."""
    identifier = asked.get("cancel", {}).get("identifier", "")
    events = account.state.objects.get(_COUNTED, {})
    found = events.get(identifier)
    if found is None or found["created"] < account.now() - _DAY:
        raise bad_parameter(f"No meter event found with identifier {identifier}.", "cancel[identifier]")
    del events[identifier]
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": asked["event_name"],
        "livemode": False,
        "status": "pending",
        "type": "cancel",
    }


def summaries(account: Account, asked: dict[str, Any], meter_id: str) -> Json:
    """GET /v1/billing/meters/:id/event_summaries: windows in which something was reported, newest first, or the whole as one."""
    it = account.find("billing.meter", meter_id)
    start, end = asked["start_time"], asked["end_time"]
    for name in ("start_time", "end_time"):
        if asked[name] % _MINUTE:
            raise bad_parameter("The time must be aligned with minute boundaries.", name)
    size = _WINDOWS.get(asked.get("value_grouping_window", ""), end - start)
    found = [
        _summary(account, it, asked["customer"], window, min(window + size, end))
        for window in range(start, end, size)
        if _reported(account, it, asked["customer"], window, min(window + size, end))
    ]
    url = f"/v1/billing/meters/{meter_id}/event_summaries"
    return page(found, asked, url) if found else listed([], url)


def aggregated(account: Account, it: Json, customer_id: str, start: int, end: int) -> float:
    """What a meter says of a customer for [start, end). Within a window of the meter's own the last event replaces the others."""
    window = _WINDOWS.get(it["event_time_window"] or "")
    values: dict[Any, float] = {}
    for number_, event in enumerate(_reported(account, it, customer_id, start, end)):
        value = float(event["payload"].get(it["value_settings"]["event_payload_key"], "0"))
        values[event["timestamp"] // window if window else number_] = value
    formula = it["default_aggregation"]["formula"]
    if formula == "count":
        return float(len(values))
    return sum(values.values()) if formula == "sum" else list(values.values() or [0.0])[-1]


def _summary(account: Account, it: Json, customer_id: str, start: int, end: int) -> Json:
    return {
        "id": f"mtrusg_test_{it['id'][-8:]}_{customer_id[-8:]}_{start}",
        "object": "billing.meter_event_summary",
        "aggregated_value": aggregated(account, it, customer_id, start, end),
        "end_time": end,
        "livemode": False,
        "meter": it["id"],
        "start_time": start,
    }


def _reported(account: Account, it: Json, customer_id: str, start: int, end: int) -> list[Json]:
    key = it["customer_mapping"]["event_payload_key"]
    return [
        event
        for event in account.all(_COUNTED)
        if event["event_name"] == it["event_name"]
        and event["payload"].get(key) == customer_id
        and start <= event["timestamp"] < end
    ]


def _active(account: Account, event_name: str) -> Json | None:
    return next(
        (it for it in account.all("billing.meter") if it["event_name"] == event_name and it["status"] == "active"),
        None,
    )


def _check_payload(account: Account, it: Json, payload: dict[str, str]) -> None:
    customer_key, value_key = it["customer_mapping"]["event_payload_key"], it["value_settings"]["event_payload_key"]
    if customer_key not in payload:
        raise bad_parameter(f"Missing required payload key: {customer_key}", "payload")
    account.find("customer", payload[customer_key], f"payload[{customer_key}]")
    if it["default_aggregation"]["formula"] == "count":
        return
    if not payload.get(value_key, "").removeprefix("-").isdecimal():
        raise bad_parameter(f"Payload key {value_key} must be a whole number", f"payload[{value_key}]")
