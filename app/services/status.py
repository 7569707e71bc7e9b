"""Whether all is well: what an operator and a monitor ask. It answers whatever is away, and says so."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app import clock, jobs
from app.db import Pool, transaction
from app.errors import OverloadedError
from app.gateways import account_limits
from app.gateways.account_limits import Standing
from app.jobs import HEARTBEAT, Job, Messages
from app.queries import backlog, books_checks, ledger_partitions, stripe_backlog, stripe_checks
from app.queries.backlog import Counted, Kind
from app.queries.stripe_backlog import StripeKind
from app.services import job_states
from app.services.job_states import JobState

PING_SECONDS = 2.0

_JOB_OF: dict[Kind, Job] = {
    Kind.COUNTERS: jobs.RESET_DUE,
    Kind.PERIODS: jobs.RESET_DUE,
    Kind.SUBSCRIPTIONS: jobs.SETTLE_SUBSCRIPTIONS,
    Kind.RESERVATIONS: jobs.EXPIRE_RESERVATIONS,
    Kind.WEBHOOKS: jobs.DELIVER_WEBHOOKS,
}
# Who finds them again. What a buyer's bank or somebody of ours has to do with is not late.
_STRIPE_JOB_OF: dict[StripeKind, Job] = {
    StripeKind.EVENTS: jobs.REQUEUE_STRIPE_INBOX,
    StripeKind.REQUESTS: jobs.SWEEP_REQUESTS,
    StripeKind.LINKS: jobs.REQUEUE_LINKS,
    StripeKind.TEMPLATES: jobs.SWEEP_TEMPLATES,
}


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for `job`; `oldest_at` is when the oldest became due, None if nothing is due."""

    kind: Kind
    job: str
    oldest_at: datetime | None
    is_late: bool


@dataclass(frozen=True, slots=True)
class StripeCheck:
    """What the last whole comparison with Stripe found, and how much of it is not repaired. `name`: `subscriptions:live`."""

    name: str
    checked_at: datetime
    differences: int
    left: int


@dataclass(frozen=True, slots=True)
class Records:
    """What the database says. Of webhooks and meter reports that were given up, of rows set aside, and of what waits for Stripe,
    10,000 of each tenant are counted. `last_webhook_at`: when Stripe told us something last, rather than being asked.
    """

    jobs: list[JobState]
    backlogs: list[Backlog]
    rows_set_aside: Counted
    books_differences: int
    stripe_checks: list[StripeCheck]
    dead_webhooks: Counted
    dead_meter_reports: Counted
    ledger_covered_until: datetime | None
    waiting_for_stripe: dict[StripeKind, Counted]
    last_webhook_at: datetime | None

    @property
    def beat_sent_at(self) -> datetime | None:
        """When beat sent its last job, by the database's clock: whether it lives, even if no worker does."""
        return max((state.sent_at for state in self.jobs if state.sent_at), default=None)


@dataclass(frozen=True, slots=True)
class Status:
    """At `at`. `records` is None without the database, `messages` without the broker; `workers` None when they were not asked.
    `stripe` is None without a key to Stripe, or without the broker, which knows.

    `problems` say what an operator should look at, in words; none: all is well.
    """

    at: datetime
    records: Records | None
    messages: Messages | None
    workers: list[str] | None
    stripe: Standing | None
    problems: list[str]


def status(*, ping_workers: bool) -> Status:
    """Look at everything now. Without the ping, whether workers live is told by their last heartbeat alone.

    Takes two seconds for the ping, and a few more for each part that is away. Never raises.
    """
    now = clock.now()
    records = _records(now)
    messages = jobs.messages()
    workers = (jobs.workers_answering(PING_SECONDS) if messages else []) if ping_workers else None
    stripe = account_limits.standing() if messages else None
    return Status(now, records, messages, workers, stripe, _problems(records, messages, workers, stripe, now))


def _records(now: datetime) -> Records | None:
    try:
        with transaction(Pool.STATUS) as session:
            return Records(
                jobs=job_states.states(session, now),
                backlogs=[_backlog(kind, backlog.oldest_due(session, kind, now), now) for kind in Kind],
                rows_set_aside=backlog.rows_set_aside(session),
                books_differences=books_checks.differences(session),
                stripe_checks=_stripe_checks(session),
                dead_webhooks=backlog.dead_webhooks(session),
                dead_meter_reports=backlog.dead_meter_reports(session),
                ledger_covered_until=ledger_partitions.covered_until(session, now),
                waiting_for_stripe={kind: stripe_backlog.waiting(session, kind) for kind in StripeKind},
                last_webhook_at=stripe_backlog.last_webhook_at(session),
            )
    except OverloadedError:
        return None


def _stripe_checks(session: Session) -> list[StripeCheck]:
    return [
        StripeCheck(check.name, check.checked_at, check.differences, check.left_over)
        for check in stripe_checks.last_checks(session)
        if check.checked_at is not None
    ]


def _backlog(kind: Kind, oldest_at: datetime | None, now: datetime) -> Backlog:
    job = _JOB_OF[kind]
    return Backlog(kind, job.name, oldest_at, _is_late(job, oldest_at, now))


def _is_late(job: Job, oldest_at: datetime | None, now: datetime) -> bool:
    longest = job_states.allowed(job)
    return oldest_at is not None and longest is not None and now - oldest_at > longest


def _late_at_stripe(records: Records, now: datetime) -> list[str]:
    return [
        f"{found.count:,} {kind} wait for Stripe since {clock.to_wire(found.since)}"
        for kind, found in records.waiting_for_stripe.items()
        if found.since and kind in _STRIPE_JOB_OF and _is_late(_STRIPE_JOB_OF[kind], found.since, now)
    ]


def _problems(
    records: Records | None,
    messages: Messages | None,
    workers: list[str] | None,
    stripe: Standing | None,
    now: datetime,
) -> list[str]:
    found = []
    if messages is None:
        found.append("the broker does not answer")
    elif workers == []:
        found.append("no worker answers")
    if stripe is not None and stripe.is_shut:
        found.append("Stripe does not answer, and is asked only now and then")
    if records is None:
        return [*found, "the database does not answer"]
    found += [f"{state.name} {state.problem}" for state in records.jobs if state.problem]
    found += [
        f"{one.kind} wait for {one.job} since {clock.to_wire(one.oldest_at)}"
        for one in records.backlogs
        if one.is_late and one.oldest_at
    ]
    found += _late_at_stripe(records, now)
    second_bases = records.waiting_for_stripe[StripeKind.SECOND_BASES]
    if second_bases.since:
        found.append(f"{second_bases.count:,} users pay for a second base package")
    if records.rows_set_aside.count:
        found.append(f"{records.rows_set_aside.count} rows could not be done and are set aside")
    if records.books_differences:
        found.append(f"the books had {records.books_differences} differences when they were checked last")
    found += [
        f"{check.left} differences from Stripe are left of the last comparison of {check.name}"
        for check in records.stripe_checks
        if check.left
    ]
    if records.ledger_covered_until is None:
        found.append("the ledger has no partition for this month")
    return found


def heartbeat_is_fresh(records: Records) -> bool | None:
    """Whether a worker did the last heartbeat in time; None: there is none on schedule."""
    state = next(state for state in records.jobs if state.name == HEARTBEAT.name)
    return None if state.period_seconds is None else state.problem is None
