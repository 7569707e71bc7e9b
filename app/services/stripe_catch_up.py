"""Stripe is asked for the events that it could not tell us, or that something in front of us took for us."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import structlog

from app import clock
from app.db import transaction
from app.domain.stripe_events import groups
from app.gateways.billing import BillingGateway, Lane, each_page
from app.gateways.billing_shapes import BillingEvent
from app.gateways.stripe import stripe_gateway
from app.queries import stripe_inbox as queries
from app.services.stripe_checks import resume_checks
from app.services.stripe_inbox import keep
from app.settings import settings

log = structlog.get_logger(__name__)

RUN_SECONDS = 240.0
"""Well within the time that a job is given: a stretch may take as long again."""

_HORIZON = timedelta(days=30)
# Of a large account, 30 days of events are more than one job can read, so what was read is noted after each stretch.
_STRETCH = timedelta(days=7)
# An event can show up in the list a little after younger ones.
_OVERLAP = timedelta(minutes=10)
# Without any events the cursor follows the clock, at a distance at which the two clocks can be trusted to agree.
_QUIET = timedelta(hours=1)


def catch_up_events(run_seconds: float = RUN_SECONDS) -> int:
    """Put the events since the last time into the inbox, the oldest stretch first, for about so long; how many were missing.

    All of the list is read, whether Stripe believes that it delivered an event or not: a proxy may have said so for us. Twice
    is as good as once.

    Raises:
        BillingError: Stripe does not answer. What was found stays, and the next run begins with the stretch where this one ended.
        OverloadedError: the database is busy or away.
    """
    if not settings().stripe_api_key:
        return 0
    gateway = stripe_gateway(Lane.SWEEPS)
    deadline = time.monotonic() + run_seconds
    found, since = _read(gateway, read_from(gateway))
    while since is not None and time.monotonic() < deadline:
        more, since = _read(gateway, since)
        found += more
    if found:
        log.warning("stripe.events_caught_up", count=found)
    # Stripe answers, so what it could not be asked for can go on.
    resume_checks()
    return found


def read_from(gateway: BillingGateway) -> datetime:
    """Since when events may be missing."""
    with transaction() as session:
        seen = queries.seen_until(session, _cursor(gateway))
    return _since(seen, clock.now())


def _cursor(gateway: BillingGateway) -> str:
    return f"events:{'live' if gateway.live else 'test'}"


def _since(seen: datetime | None, now: datetime) -> datetime:
    horizon = now - _HORIZON
    if seen is not None and seen < horizon:
        log.error("stripe.events_out_of_reach", seen_until=clock.to_wire(seen))
    return horizon if seen is None else max(seen - _OVERLAP, horizon)


def _read(gateway: BillingGateway, since: datetime) -> tuple[int, datetime | None]:
    """How many of a stretch were new, and where the next one begins; None: this was the last. Each page is kept at once."""
    began = clock.now()
    until = since + _STRETCH if since + _STRETCH < began - _QUIET else None
    found, newest = 0, None
    for types in groups():
        for events in pages(gateway, types, since, until):
            # The newest of the first list: what happens while that one is read is not known to the end in any.
            newest = newest or _newest(events)
            with transaction() as session:
                found += keep(session, events) if events else 0
    with transaction() as session:
        # Not further than now: the double's clock may be ahead by weeks, and Stripe itself may take its place.
        seen = until or min(max(newest or began - _QUIET, began - _QUIET), began)
        queries.note_seen(session, _cursor(gateway), seen)
    return found, until


def pages(
    gateway: BillingGateway, types: Sequence[str], since: datetime, until: datetime | None = None
) -> Iterator[list[BillingEvent]]:
    """Stripe's events of these types since then, newest first. Raises BillingError."""
    for page in each_page(
        lambda after: gateway.events(types=types, created_from=since, created_before=until, after=after)
    ):
        yield page.items


def _newest(events: list[BillingEvent]) -> datetime | None:
    return max((each.created_at for each in events), default=None)
