"""The books are checked every night, and what is found is remembered. Only an operator repairs: `meterline books check --repair`.

Each tenant's are checked by a job of its own, so that the books of a large one hold up nobody else's.
"""

import time
from dataclasses import dataclass
from datetime import datetime

import structlog

from app import clock, jobs
from app.clock import to_wire
from app.db import transaction
from app.queries import books_checks as queries
from app.queries import tenants
from app.services.books import Difference, check_books

log = structlog.get_logger(__name__)

RUN_SECONDS = 400.0
"""Well within the time that a job is given: a check that would take longer is cut between two parts, and says so."""
_LOGGED_MAX = 20


@dataclass(frozen=True, slots=True)
class LastCheck:
    """What the last check of a tenant's books found; unless `is_whole`, in the part that it came to."""

    app_id: str
    checked_at: datetime
    differences: int
    is_whole: bool


def check_all() -> int:
    """Have every tenant's books checked, each by a job of its own; returns how many."""
    with transaction() as session:
        found = tenants.all_tenants(session)
        for tenant in found:
            jobs.enqueue(session, jobs.CHECK_BOOKS_OF, tenant.public_id)
    return len(found)


def check_one(app_id: str, run_seconds: float = RUN_SECONDS) -> int:
    """Check one tenant's books, for about so long; returns how many differences there are. They are no failure of the check.

    Raises:
        LookupError: there is no such tenant.
        OverloadedError: the database is busy or away.
    """
    deadline = time.monotonic() + run_seconds
    differences, is_whole = 0, True
    for part in check_books(app_id):
        for difference in part.differences:
            differences += 1
            if differences <= _LOGGED_MAX:
                _log(difference)
        if time.monotonic() > deadline:
            is_whole = False
            break
    _note(app_id, differences, is_whole=is_whole)
    return differences


def last_checks() -> list[LastCheck]:
    """For operators and for the metric; by tenant, without those whose books were never checked."""
    with transaction() as session:
        return [
            LastCheck(tenant.public_id, check.checked_at, check.differences, check.is_whole)
            for check, tenant in queries.last_checks(session)
        ]


def _note(app_id: str, differences: int, *, is_whole: bool) -> None:
    with transaction() as session:
        tenant = tenants.tenant_by_public_id(session, app_id)
        if tenant is not None:
            queries.note_check(session, tenant.id, clock.now(), differences, is_whole=is_whole)
    if differences > _LOGGED_MAX:
        log.error("books.more_differences", app_id=app_id, differences=differences, logged=_LOGGED_MAX)
    if not is_whole:
        log.warning("books.check_cut", app_id=app_id)


def _log(difference: Difference) -> None:
    """Without the user, whose id may be an address: `meterline books check` names everybody."""
    period = difference.period
    log.error(
        "books.difference",
        kind=difference.kind.value,
        app_id=difference.app_id,
        feature_id=difference.feature_id,
        period_start=to_wire(period.start) if period else None,
        counter=str(difference.counter),
        ledger=str(difference.ledger),
    )
