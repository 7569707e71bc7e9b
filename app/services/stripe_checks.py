"""Comparisons with Stripe that look through everything, a few minutes at a time, and go on where the last run ended.

Where one is, is written down after each part. Of two runs at once the one that comes second to write gives up.
"""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from app import clock, jobs
from app.db import transaction
from app.gateways.billing import BillingGateway, Lane
from app.gateways.billing_errors import BillingRefusedError
from app.gateways.stripe import stripe_gateway
from app.jobs import Job
from app.queries import stripe_checks as queries
from app.queries.stripe_checks import Place
from app.services.stripe_comparison import Compared, compare_page, compare_unlisted
from app.services.stripe_differences import Difference, log_differences
from app.services.stripe_prices import check_templates
from app.services.sweeps import Swept
from app.settings import settings

log = structlog.get_logger(__name__)

RUN_SECONDS = 240.0
"""Well within the time that a job is given, for a part with many repairs takes minutes itself."""
_STANDS_AFTER = timedelta(minutes=10)

SUBSCRIPTIONS, PRICES = "subscriptions", "prices"
_JOBS = {SUBSCRIPTIONS: jobs.COMPARE_SUBSCRIPTIONS, PRICES: jobs.CHECK_PRICES}

# A part, by its place in the whole; the last ends with None. The other parts follow one another.
_Step = Callable[[BillingGateway, Place], Compared]


def compare_subscriptions(run_seconds: float = RUN_SECONDS) -> Swept:
    """Go on comparing all subscriptions with Stripe's, for about so long, a part at least; how many were looked at.

    Raises:
        BillingError: Stripe does not answer. The next run goes on where this one ended.
        OverloadedError: the database is busy or away; likewise.
    """
    return _run(SUBSCRIPTIONS, (_listed, _unlisted), run_seconds)


def check_prices(run_seconds: float = RUN_SECONDS) -> Swept:
    """Go on holding all billing templates against Stripe's prices, likewise."""
    return _run(PRICES, (_templates,), run_seconds)


def resume_checks() -> int:
    """Have those go on that stand still because Stripe was away, or a worker died; how many."""
    with transaction() as session:
        standing = queries.standing_since(session, clock.now() - _STANDS_AFTER)
        found = {_job_of(name) for name in standing}
        for job in found:
            jobs.enqueue(session, job)
    return len(found)


def note_whole(kind: str, differences: Sequence[Difference]) -> None:
    """A comparison was made in one go, by an operator: what it found is what monitors are told from now on."""
    with transaction() as session:
        name = _name(kind, stripe_gateway(Lane.SWEEPS))
        queries.note(session, name, clock.now(), len(differences), _left(differences))


def _run(kind: str, steps: Sequence[_Step], run_seconds: float) -> Swept:
    if not settings().stripe_api_key:
        return Swept(handled=0, set_aside=0, more=False)
    deadline = time.monotonic() + run_seconds
    gateway = stripe_gateway(Lane.SWEEPS)
    name = _name(kind, gateway)
    with transaction() as session:
        place = queries.begin(session, name, clock.now())
    looked_at = 0
    while True:
        part, to = _part(gateway, steps, place)
        log_differences(part.differences)
        looked_at += part.looked_at
        is_moved = _moved(name, place, to, part.differences)
        if to is None or not is_moved or time.monotonic() > deadline:
            return Swept(handled=looked_at, set_aside=0, more=to is not None and is_moved)
        place = to


def _part(gateway: BillingGateway, steps: Sequence[_Step], place: Place) -> tuple[Compared, Place | None]:
    """The part, and where to go on."""
    try:
        part = steps[place.part](gateway, place)
    except BillingRefusedError as refused:
        if place.after is None:
            raise
        # What was last is not there any more, as when the key is another account's now: from the beginning.
        log.warning("stripe.check_begins_again", reason=refused.message)
        return Compared(0, [], None), Place(place.began_at, 0, None)
    if part.next_after is not None:
        return part, Place(place.began_at, place.part, part.next_after)
    is_last = place.part + 1 == len(steps)
    return part, None if is_last else Place(place.began_at, place.part + 1, None)


def _moved(name: str, place: Place, to: Place | None, differences: Sequence[Difference]) -> bool:
    now, found, left = clock.now(), len(differences), _left(differences)
    with transaction() as session:
        if to is None:
            return queries.end(session, name, place, now, found, left)
        return queries.move(session, name, place, to, now, found, left)


def _listed(gateway: BillingGateway, place: Place) -> Compared:
    return compare_page(gateway, place.after, repair=True, note_listed=True)[0]


def _unlisted(gateway: BillingGateway, place: Place) -> Compared:
    return compare_unlisted(gateway, place.began_at, place.after or "", repair=True)


def _templates(gateway: BillingGateway, place: Place) -> Compared:
    return check_templates(gateway, int(place.after or 0), repair=True)


def _name(kind: str, gateway: BillingGateway) -> str:
    return f"{kind}:{'live' if gateway.live else 'test'}"


def _job_of(name: str) -> Job:
    return _JOBS[name.partition(":")[0]]


def _left(differences: Sequence[Difference]) -> int:
    return sum(one.outcome.is_left for one in differences)
