"""Closing periods by the million: on the first of a month almost all counters have one subscription and one period that ended.

What is plain, SQL does alone: a batch is locked, and closed by one statement more. What is not is left to
`services.usage_resets`, and so is a tenant with which this fails: there the row that is to blame is found and set aside.
"""

import time

import structlog
from sqlmodel import Session

from app import clock, jobs
from app.db import Pool, transaction
from app.domain.webhooks import WebhookEventType
from app.errors import OverloadedError
from app.queries import job_records
from app.queries import plain_resets as queries
from app.queries.plain_resets import BEHIND_ALL, PlainlyClosed
from app.queries.usage_periods import BEFORE_ALL, Position, tenants_due_for_reset
from app.services import outbox

log = structlog.get_logger(__name__)

BATCH = 1_000
"""Few enough that a call which needs one of these counters does not notice that it waited."""

WORTH_IT = 0.2
"""Where a smaller part of a batch is plain, going row by row is faster."""

POOR_BATCHES = 3
"""After so many in a row a pass is given up, and the rules take the rest. So every run closes something: a pass that begins at
the front each time, and steps over what is not plain, could be at that for the whole of each run."""


def close_all_plain(run_seconds: float) -> tuple[int, bool]:
    """How many counters were closed, and whether that was all which is worth it, within about this time; tenants in turn.

    Raises:
        OverloadedError: the database is busy or away. What was done stays done.
    """
    deadline = time.monotonic() + run_seconds
    with transaction() as session:
        tenant_ids = tenants_due_for_reset(session, clock.now())
    passes = [_Pass(tenant_id) for tenant_id in tenant_ids]
    waiting = list(passes)
    while waiting and time.monotonic() < deadline:
        waiting = [each for each in waiting if each.do_batch()]
    return sum(each.closed for each in passes), not waiting


class _Pass:
    """One pass through a tenant's counters: from the front, unless another process is at work there; then from the back.

    So two are in nobody's way until they meet, which is half as fast again as side by side.
    """

    def __init__(self, tenant_id: int) -> None:
        self.closed = 0
        self._tenant_id = tenant_id
        self._poor = 0
        self._aside: list[str] | None = None
        self._backwards = False
        self._last: Position = BEFORE_ALL

    def do_batch(self) -> bool:
        """Whether there may be more to do."""
        try:
            with transaction(Pool.METERING) as session:
                if self._aside is None:
                    if outbox.is_wanted(session, self._tenant_id, WebhookEventType.USAGE_RESET):
                        return False  # somebody has to be told of each, by name
                    faults = job_records.faults_of(session, self._tenant_id, jobs.RESET_DUE.name)
                    self._aside = [fault.row_id for fault in faults]
                found = self._close(session, self._aside)
        except OverloadedError:
            raise
        except Exception as error:
            # Whatever it is, going row by row tells which it comes from, and keeps the others from waiting for it.
            log.warning("usage.reset_not_plain", tenant_id=self._tenant_id, exc_info=error)
            return False
        self.closed += found.closed
        self._last = found.last or self._last
        self._poor = 0 if found.closed >= WORTH_IT * found.taken else self._poor + 1
        return found.taken == BATCH and self._poor < POOR_BATCHES

    def _close(self, session: Session, aside: list[str]) -> PlainlyClosed:
        queries.commit_without_waiting(session)
        if not self._backwards and not queries.be_alone_at_the_front(session, self._tenant_id):
            self._backwards, self._last = True, BEHIND_ALL
        return queries.close_plain(
            session, self._tenant_id, clock.now(), self._last, BATCH, aside, backwards=self._backwards
        )
