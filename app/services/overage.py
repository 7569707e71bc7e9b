"""Overage is worked out from the ledger, hour by hour, and written down to be told: see `meter_reports` for who tells it.

The ledger is the outbox: what was used is in it in the commit that answered the caller, so recording usage knows nothing of
bills. This job reads on where it stopped, and an hour that is not what was told of it gets a new version.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from sqlmodel import Session

from app import clock, jobs, models
from app.db import transaction
from app.domain.closing import Tenure
from app.domain.overage import (
    HOUR,
    Stretch,
    end_of_hour,
    ended_hours,
    hour_of,
    overage_by_hour,
    running_totals,
    stretches,
)
from app.domain.periods import Period
from app.domain.subscribing import SubscriptionStatus
from app.queries import meter_reports as reports
from app.queries import metered_items as queries
from app.queries import usage_periods
from app.queries.meter_reports import Told, item_of
from app.queries.packages import packages_by_key
from app.queries.standings import Pair
from app.services.metered_items import HORIZON
from app.services.sweeps import Sweep, Swept, run

log = structlog.get_logger(__name__)

BATCH = 10
"""Few enough that somebody who copies a subscription does not wait for long."""

SETTLED_AFTER = timedelta(minutes=10)
"""No transaction that records usage takes so long, so no event turns up behind those that were read."""

FINAL_AFTER = timedelta(hours=1)
"""Stripe makes the invoice so long after the end of its period, unless the account says later."""

_HIDING = (SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID)


def report_overage() -> Swept:
    """Write down what the hours that are over have to say, for all items whose usage has changed. Twice is as good as once.

    Raises:
        OverloadedError: the database is busy or away. What was done stays done.
    """
    _mark_changed()
    return run(
        Sweep(
            job=jobs.REPORT_OVERAGE,
            due=queries.locked_due,
            handle=_work_out_all,
            id_of=lambda item: item.provider_subscription_id,
            tenants=queries.tenants_with_due,
            batch=BATCH,
        )
    )


def _mark_changed() -> None:
    with transaction() as session:
        tenant_ids = queries.tenants_with_items(session)
    for tenant_id in tenant_ids:
        with transaction() as session:
            now = clock.now()
            queries.mark_changed(session, tenant_id, now, hour_of(now), now - HORIZON, now - SETTLED_AFTER)


def _work_out_all(session: Session, items: Sequence[models.MeteredItem], now: datetime) -> None:
    tenant_id = items[0].tenant_id
    held = queries.subscriptions_of(session, tenant_id, {item.user_key for item in items})
    pairs = [_pair(item) for item in items]
    tenures = usage_periods.tenures(session, list(dict.fromkeys(pairs)), now)
    packages = {
        package.key: package for package in packages_by_key(session, tenant_id, {item.package_key for item in items})
    }
    for item, pair in zip(items, pairs, strict=True):
        _work_out(session, item, packages[item.package_key].id, held[item.user_key], tenures[pair], now)
    session.flush()


def _work_out(
    session: Session,
    item: models.MeteredItem,
    package_id: str,
    held: Sequence[models.Subscription],
    tenures: Sequence[Tenure],
    now: datetime,
) -> None:
    ours = {row.id for row in held if row.provider_subscription_id == item.provider_subscription_id}
    hours = [hour for hour in _hours(item, now) if hour.start >= _clear_since(held)]
    if hours:
        found = stretches(hours, tenures, ours, package_id)
        _tell(session, item, _values(session, _pair(item), hours, found), now)
    is_open = item.ended_at is None or item.ended_at > now
    began_at = max(item.since, *(moment for moment in (hour_of(now), *item.boundaries) if moment <= now))
    goes_on = is_open and queries.counts_since(session, _pair(item), began_at)
    item.due_at = end_of_hour(now, item.boundaries) if goes_on else None


def _clear_since(held: Sequence[models.Subscription]) -> datetime:
    """From when on it is known who gave access. Of a subscription that gives none at present, and did once, it is not known since
    when; what was told of earlier hours stays until it does again, or is cancelled. The end of a grace is known.
    """
    hidden = [row.updated_at for row in held if row.status in _HIDING and not _has_grace(row)]
    return hour_of(max(hidden)) + HOUR if hidden else datetime.min.replace(tzinfo=UTC)


def _has_grace(row: models.Subscription) -> bool:
    return row.status is SubscriptionStatus.PAST_DUE and row.grace_ends_at is not None


def _hours(item: models.MeteredItem, now: datetime) -> list[Period]:
    """The hours that can still be told and are over. What an earlier bill was cut at, it stays cut at."""
    since = max(item.since, hour_of(now - HORIZON))
    ended_at = [item.ended_at] if item.ended_at else []
    return ended_hours(since, min([now, *ended_at]), [*item.boundaries, *ended_at])


def _values(session: Session, pair: Pair, hours: Sequence[Period], found: Sequence[Stretch]) -> dict[Period, int]:
    cuts = sorted({moment for each in found for moment in (each.start, each.end)})
    periods = list(dict.fromkeys(each.period for each in found))
    runs = queries.runs_in(session, pair, periods, cuts)
    totals = {period: dict(zip(cuts, running_totals(runs[period], len(cuts)), strict=True)) for period in periods}
    return overage_by_hour(hours, found, totals)


def _tell(session: Session, item: models.MeteredItem, values: dict[Period, int], now: datetime) -> None:
    before = reports.newest(session, item_of(item), next(iter(values)).start)
    changed = []
    for hour, value in values.items():
        told = before.get(hour.start, Told(hour.start, hour.end, 0, 0))
        if told.value != value:
            changed.append(Told(hour.start, hour.end, told.version + 1, value))
    if not changed:
        return
    reports.put(session, item_of(item), changed, now)
    jobs.enqueue(session, jobs.SEND_METER_REPORTS)
    _warn_of_late(item, changed, now)


def _warn_of_late(item: models.MeteredItem, changed: Sequence[Told], now: datetime) -> None:
    """Stripe takes what counts in a bill that is made, and charges nobody for it."""
    bill_began_at = max((moment for moment in item.boundaries if moment <= now - FINAL_AFTER), default=item.since)
    late = [told for told in changed if told.starts_at < bill_began_at]
    if late:
        log.warning(
            "stripe.overage_after_invoice",
            tenant_id=item.tenant_id,
            provider_subscription_id=item.provider_subscription_id,
            package_key=item.package_key,
            feature_key=item.feature_key,
            since=clock.to_wire(late[0].starts_at),
            hours=len(late),
        )


def _pair(item: models.MeteredItem) -> Pair:
    return item.tenant_id, item.user_key, item.feature_key
