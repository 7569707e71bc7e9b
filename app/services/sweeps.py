"""Sweeps: jobs that look for rows with something to do, and do it in batches, beside everybody else.

Each batch is a transaction of its own that takes rows which nobody else holds, so any number of workers can be at one backlog,
and whoever is killed leaves its batch to the next. A row that makes its batch fail is found, set aside and reported; the
others go on. A run ends after a few seconds: who called it calls again when there is `more`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import structlog
from sqlmodel import Session

from app import clock
from app.db import Pool, transaction
from app.errors import OverloadedError
from app.faults import in_words
from app.jobs import Job
from app.queries import job_records as records
from app.queries import tenants

log = structlog.get_logger(__name__)

Row = TypeVar("Row")

RUN_SECONDS = 5.0
BATCH = 1_000
_NARROWER = 10


@dataclass(frozen=True, slots=True)
class Sweep(Generic[Row]):
    """What there is to do for one tenant.

    `due(session, tenant_id, now, limit, but_not)` locks rows, in key order and skipping those that others hold, without
    those whose ids are in `but_not`. `handle(session, rows, now)` does them, all or none. `id_of` names a row in reports.
    `tenants(session, now)` says who has any; without it all are asked.
    """

    job: Job
    due: Callable[[Session, int, datetime, int, Sequence[str]], Sequence[Row]]
    handle: Callable[[Session, Sequence[Row], datetime], None]
    id_of: Callable[[Row], str]
    tenants: Callable[[Session, datetime], Sequence[int]] | None = None
    batch: int = BATCH
    pool: Pool = Pool.GENERAL


@dataclass(frozen=True, slots=True)
class Swept:
    """How many rows were done and how many set aside, and whether there may be `more` to do at once."""

    handled: int
    set_aside: int
    more: bool


def run(sweep: Sweep[Row], run_seconds: float = RUN_SECONDS) -> Swept:
    """Do what is due, tenant by tenant and a batch of each in turn, for about so long.

    Raises:
        OverloadedError: the database is busy or away. What was done stays done.
    """
    deadline = time.monotonic() + run_seconds
    with transaction() as session:
        tenant_ids = sweep.tenants(session, clock.now()) if sweep.tenants else tenants.tenant_ids(session)
    waiting = [_Tenant(sweep, tenant_id) for tenant_id in tenant_ids]
    swept = list(waiting)
    while waiting and time.monotonic() < deadline:
        waiting = [tenant for tenant in waiting if tenant.do_batch()]
    return Swept(
        handled=sum(tenant.handled for tenant in swept),
        set_aside=sum(tenant.set_aside for tenant in swept),
        more=bool(waiting),
    )


class _Tenant(Generic[Row]):
    """One tenant's rows in this run. Every batch is a little transaction."""

    def __init__(self, sweep: Sweep[Row], tenant_id: int) -> None:
        self._sweep = sweep
        self._tenant_id = tenant_id
        self._batch = sweep.batch
        self.handled = 0
        self.set_aside = 0

    def do_batch(self) -> bool:
        """Whether there may be more to do."""
        ids: list[str] = []
        try:
            with transaction(self._sweep.pool) as session:
                now = clock.now()
                faults = records.faults_of(session, self._tenant_id, self._sweep.job.name)
                aside = [fault.row_id for fault in faults if fault.retry_at > now]
                rows = self._sweep.due(session, self._tenant_id, now, self._batch, aside)
                # Asked now: a row that is an object of the session can say nothing any more once the transaction has failed.
                ids = [self._sweep.id_of(row) for row in rows]
                if rows:
                    self._sweep.handle(session, rows, now)
                retried = {fault.row_id for fault in faults} & set(ids) if faults else ()
                if retried:
                    records.forgive(session, self._tenant_id, self._sweep.job.name, retried)
        except OverloadedError:
            raise
        except Exception as error:  # noqa: BLE001 — whatever it is, it must not keep other rows from being done
            return self._narrow_down(ids, error)
        self.handled += len(ids)
        was_full = len(ids) == self._batch
        self._batch = min(self._batch * _NARROWER, self._sweep.batch)
        return was_full

    def _narrow_down(self, ids: Sequence[str], error: Exception) -> bool:
        """Take fewer rows next time, down to the one that is to blame."""
        if len(ids) > 1:
            self._batch = max(1, len(ids) // _NARROWER)
            return True
        if not ids:
            raise error  # it is the question that fails, not a row
        row_id = ids[0]
        job = self._sweep.job.name
        log.error("jobs.row_set_aside", job=job, tenant_id=self._tenant_id, row_id=row_id, exc_info=error)
        with transaction() as session:
            records.set_aside(session, self._tenant_id, job, row_id, in_words(error), clock.now())
        self.set_aside += 1
        return True
