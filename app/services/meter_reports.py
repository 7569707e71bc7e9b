"""Stripe's meters are told of overage: what `overage` has written down, in the order of the hours. No call is in a transaction.

A statement is about the whole of an hour, so one that is made twice changes nothing, and a newer one replaces it. Each has a name
of its own, which is also its idempotency key. Of a customer's feature one worker at a time makes them, by a lease.
"""

import random
import time
from datetime import datetime, timedelta

import structlog

from app import clock, jobs
from app.db import transaction
from app.domain.backoff import delay_seconds
from app.domain.overage import identifier_of
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import (
    BillingError,
    BillingKeyReusedError,
    BillingNotConfiguredError,
    BillingRefusedError,
    BillingUnavailableError,
)
from app.gateways.stripe import stripe_gateway
from app.queries import dead_meter_reports as dead
from app.queries import meter_reports as queries
from app.queries.dead_meter_reports import DeadLetter
from app.queries.meter_reports import Leased, Waiting
from app.queries.stripe_copies import tenant_ids_of_mode
from app.services.metered_items import HORIZON
from app.services.sweeps import Swept
from app.settings import settings

log = structlog.get_logger(__name__)

RUN_SECONDS = 30.0
LEASED_FOR = timedelta(minutes=5)
"""Longer than the longest call, before each of which it begins anew."""

_AT_ONCE = 100
# Bills are disputed for a year.
_KEPT = timedelta(days=400)
_DROPPED_AT_ONCE = 50_000
_FAILURES_MAX = 3
_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 60.0, 3_600.0


def send_reports(gateway: BillingGateway | None = None, run_seconds: float = RUN_SECONDS) -> Swept:
    """Tell what waits to be told, for about so long. While Stripe does not answer everything is kept, and tried again later.

    Raises:
        OverloadedError: the database is busy or away. What was told may be told again.
    """
    if gateway is None and not settings().stripe_api_key:
        return Swept(handled=0, set_aside=0, more=False)
    billing = gateway or stripe_gateway()
    with transaction() as session:
        tenant_ids = tenant_ids_of_mode(session, live=billing.live)
    deadline = time.monotonic() + run_seconds
    settled = failures = 0
    while failures < _FAILURES_MAX and time.monotonic() < deadline:
        with transaction() as session:
            now = clock.now()
            leased = queries.lease(session, tenant_ids, now, now + LEASED_FOR)
            waiting = queries.waiting(session, leased.item, now, _AT_ONCE) if leased else []
        if leased is None:
            return Swept(handled=settled, set_aside=0, more=False)
        done = _send_all(billing, leased, waiting)
        settled += done
        failures += done < len(waiting)
    return Swept(handled=settled, set_aside=0, more=failures < _FAILURES_MAX)


def dead_letters(limit: int) -> list[DeadLetter]:
    """What was given up, for an operator. Raises OverloadedError."""
    with transaction() as session:
        return dead.dead_letters(session, limit)


def revive() -> int:
    """Have told again what was given up, if Stripe may still take it; how many. Raises OverloadedError."""
    with transaction() as session:
        now = clock.now()
        revived = dead.revive(session, now - HORIZON, now)
        jobs.enqueue(session, jobs.SEND_METER_REPORTS)
        return revived


def forget() -> int:
    """Stripe cannot be told any more of what was given up so long ago, and somebody has billed it by hand; how many hours.

    Raises:
        OverloadedError: the database is busy or away.
    """
    with transaction() as session:
        return dead.forget(session, clock.now() - HORIZON)


def drop_old() -> int:
    """Drop what was told of hours that were 400 days ago, some thousands at a time; returns how many. Raises OverloadedError."""
    with transaction() as session:
        return queries.delete_old(session, clock.now() - _KEPT, _DROPPED_AT_ONCE)


def _send_all(billing: BillingGateway, leased: Leased, waiting: list[Waiting]) -> int:
    """How many were settled. After the first that has to wait, the others wait too."""
    for settled, report in enumerate(waiting):
        if not _send(billing, leased, report):
            return settled
    with transaction() as session:
        queries.keep_lease(session, leased.item, None)
    return len(waiting)


def _send(billing: BillingGateway, leased: Leased, report: Waiting) -> bool:
    """Whether it is settled."""
    _, subscription_id, package_key, feature_key = leased.item
    if report.starts_at < clock.now() - HORIZON:
        _give_up(leased, report, "Stripe takes usage of the past 35 days only.")
        return True
    try:
        billing.send_meter_event(
            leased.event_name,
            customer_id=leased.customer_id,
            value=report.value,
            at=report.starts_at,
            identifier=identifier_of(subscription_id, package_key, feature_key, report.starts_at, report.version),
        )
    except (BillingUnavailableError, BillingKeyReusedError, BillingNotConfiguredError) as away:
        _try_later(leased, report, away)
        return False
    except BillingRefusedError as refused:
        # What it was told is a number, an hour and ids, so its words to the operator can name nobody.
        _give_up(leased, report, refused.words or refused.message, logged=refused.message)
        return True
    with transaction() as session:
        now = clock.now()
        queries.keep_lease(session, leased.item, now + LEASED_FOR)
        queries.note_sent(session, leased.item, report, now)
    return True


def _try_later(leased: Leased, report: Waiting, away: BillingError) -> None:
    error = f"{type(away).__name__}: {away.message}"
    again_at = clock.now() + _delay(report, away)
    with transaction() as session:
        # All of the item waits, or its next hour would be tried at once.
        queries.keep_lease(session, leased.item, again_at)
        # Stripe would repeat its answer to this name for a day.
        change = queries.next_version if away.stored else queries.try_later
        change(session, leased.item, report, error, again_at)
    log.warning("stripe.meter_report_waits", **_names(leased, report), error=error, attempts=report.attempts + 1)


def _delay(report: Waiting, away: BillingError) -> timedelta:
    asked_for = away.retry_after_seconds if isinstance(away, BillingUnavailableError) else None
    chance = random.random()  # noqa: S311 — it spreads repeats and protects nothing
    delay = delay_seconds(
        report.attempts + 1,
        chance=chance,
        asked_for=asked_for,
        first=_FIRST_DELAY_SECONDS,
        longest=_LONGEST_DELAY_SECONDS,
    )
    return timedelta(seconds=delay)


def _give_up(leased: Leased, report: Waiting, error: str, *, logged: str | None = None) -> None:
    with transaction() as session:
        queries.keep_lease(session, leased.item, clock.now() + LEASED_FOR)
        queries.give_up(session, leased.item, report, error)
    log.error("stripe.meter_report_dead", **_names(leased, report), value=report.value, error=logged or error)


def _names(leased: Leased, report: Waiting) -> dict[str, int | str]:
    tenant_id, subscription_id, package_key, feature_key = leased.item
    starts_at: datetime = report.starts_at
    return {
        "tenant_id": tenant_id,
        "provider_subscription_id": subscription_id,
        "package_key": package_key,
        "feature_key": feature_key,
        "hour": clock.to_wire(starts_at),
        "version": report.version,
    }
