"""Once a day Stripe's meters are compared with what they were told, hour by hour, and told again where they differ.

The hours that were told of in the last two days are looked at: what arrived and stayed is not asked about for ever. One
that was told in two parts, on either side of a new bill, is left out: Stripe can be asked for whole hours only.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from app import clock, jobs
from app.db import transaction
from app.domain.overage import HOUR, MeterReportState, hour_of
from app.gateways.billing import BillingGateway, Lane
from app.gateways.billing_errors import BillingRefusedError
from app.gateways.stripe import stripe_gateway
from app.queries import meter_comparisons as queries
from app.queries import meter_reports as reports
from app.queries.meter_comparisons import Stated, ToCompare
from app.queries.meter_reports import Told
from app.queries.stripe_copies import tenant_ids_of_mode
from app.services.metered_items import HORIZON
from app.services.sweeps import Swept
from app.settings import settings

log = structlog.get_logger(__name__)

RUN_SECONDS = 60.0
_AGAIN_AFTER = timedelta(hours=20)
_TOLD_WITHIN = timedelta(hours=50)
_LAG = timedelta(hours=1)
"""Stripe counts some time after it was told."""


def compare_overage(gateway: BillingGateway | None = None, run_seconds: float = RUN_SECONDS) -> Swept:
    """Compare items that were not compared today, for about so long, and have their hours worked out again. Counts items.

    Run every hour: what a run that failed has left, the next one does.

    Raises:
        BillingError: Stripe does not answer. What was found stays; the item at which it happened has its turn the next day.
        OverloadedError: the database is busy or away.
    """
    if gateway is None and not settings().stripe_api_key:
        return Swept(handled=0, set_aside=0, more=False)
    billing = gateway or stripe_gateway(Lane.SWEEPS)
    with transaction() as session:
        tenant_ids = tenant_ids_of_mode(session, live=billing.live)
    deadline, compared = time.monotonic() + run_seconds, 0
    while time.monotonic() < deadline:
        with transaction() as session:
            now = clock.now()
            due = queries.take_to_compare(session, tenant_ids, now, now - _AGAIN_AFTER, now - HORIZON)
        if due is None:
            return Swept(handled=compared, set_aside=0, more=False)
        _compare(billing, due, now)
        compared += 1
    return Swept(handled=compared, set_aside=0, more=True)


def _compare(billing: BillingGateway, due: ToCompare, now: datetime) -> None:
    with transaction() as session:
        first = queries.first_sent_since(session, due.item, now - _TOLD_WITHIN, now - HORIZON)
    end = hour_of(now - _LAG)
    if first is None or hour_of(first) >= end:
        return
    start = hour_of(first)
    try:
        found = billing.metered_usage(due.meter_id, customer_id=due.customer_id, start=start, end=end)
    except BillingRefusedError as refused:
        log.error("stripe.overage_not_compared", **_names(due), error=refused.message)
        return
    counted = {each.start: int(each.value) for each in found}
    with transaction() as session:
        reports.lock_item(session, due.item)
        stated = queries.stated(session, due, start, end)
        again = _differing(due, stated, counted, now)
        if again:
            reports.put(session, due.item, again, now)
            jobs.enqueue(session, jobs.SEND_METER_REPORTS)
    if again:
        log.error("stripe.overage_drift", **_names(due), hours=len(again), since=clock.to_wire(again[0].starts_at))


def _differing(due: ToCompare, stated: Sequence[Stated], counted: dict[datetime, int], now: datetime) -> list[Told]:
    """The next versions of those hours of the item of which Stripe has counted something else."""
    by_hour: dict[datetime, list[Stated]] = defaultdict(list)
    for each in stated:
        by_hour[hour_of(each.told.starts_at)].append(each)
    return [
        again
        for hour in sorted(by_hour.keys() | counted.keys())
        if (again := _next_version(due, hour, by_hour[hour], counted.get(hour, 0), now)) is not None
    ]


def _next_version(due: ToCompare, hour: datetime, stated: Sequence[Stated], counted: int, now: datetime) -> Told | None:
    if not stated:
        # Told by nobody that we know of, as after a database was put back.
        return Told(hour, hour + HOUR, 1, 0) if counted else None
    one = stated[0]
    is_settled = one.state == MeterReportState.SENT and one.sent_at is not None and one.sent_at <= now - _LAG
    if len(stated) > 1 or one.item != due.item or not is_settled or one.told.value == counted:
        return None
    return replace(one.told, version=one.told.version + 1)


def _names(due: ToCompare) -> dict[str, int | str]:
    tenant_id, subscription_id, package_key, feature_key = due.item
    return {
        "tenant_id": tenant_id,
        "provider_subscription_id": subscription_id,
        "package_key": package_key,
        "feature_key": feature_key,
    }
