"""What is older than the retention settings keep is dropped.

In many small transactions: whichever is the last one that happened, the next run goes on.
"""

import time
from datetime import UTC, datetime, timedelta

import structlog

from app import clock
from app.db import transaction
from app.errors import OverloadedError
from app.queries import tenants
from app.queries.checkout_looks import delete_settled as delete_settled_links
from app.queries.webhook_retention import OldMessage, delete_settled, locked_settled_before
from app.services import meter_reports
from app.services.ledger_partitions import drop_expired
from app.services.stripe_inbox import drop_old
from app.services.sweeps import Swept
from app.settings import settings

log = structlog.get_logger(__name__)

RUN_SECONDS = 120.0
_MESSAGES_PER_PIECE = 1_000
_LINKS_A_DAY = 10_000
_OLDEST = OldMessage(datetime.min.replace(tzinfo=UTC), 0)


def prune(run_seconds: float = RUN_SECONDS) -> Swept:
    """Drop webhooks that were settled or given up and are older than WEBHOOK_RETENTION_DAYS, for about so long, and links to pay
    by (SUBSCRIPTION_LINK_RETENTION_DAYS); when none is left, Stripe's events of 40 days ago, what its meters were told 400 days
    ago, and what the ledger does not keep (USAGE_RETENTION_DAYS). Counts webhooks, links, events, reports, months, and rows that
    went with these.

    Raises:
        OverloadedError: the database is busy or away. What was done stays done.
    """
    now = clock.now()
    deadline = time.monotonic() + run_seconds
    before = now - timedelta(days=settings().webhook_retention_days)
    with transaction() as session:
        tenant_ids = [tenant.id for tenant in tenants.all_tenants(session)]
    links_before = now - timedelta(days=settings().subscription_link_retention_days)
    dropped = 0
    for tenant_id in tenant_ids:
        deleted, is_done = _prune_webhooks(tenant_id, before, deadline)
        dropped += deleted + _prune_links(tenant_id, links_before)
        if not is_done:
            return Swept(handled=dropped, set_aside=0, more=True)
    others = drop_old() + meter_reports.drop_old() + _prune_ledger(now)
    return Swept(handled=dropped + others, set_aside=0, more=False)


def _prune_webhooks(tenant_id: int, before: datetime, deadline: float) -> tuple[int, bool]:
    """How many messages went, and whether none is left."""
    deleted, last = 0, _OLDEST
    while True:
        with transaction() as session:
            found = locked_settled_before(session, tenant_id, before, last, _MESSAGES_PER_PIECE)
            deleted += delete_settled(session, tenant_id, found) if found else 0
        if len(found) < _MESSAGES_PER_PIECE:
            return deleted, True
        if time.monotonic() > deadline:
            return deleted, False
        last = found[-1]


def _prune_links(tenant_id: int, before: datetime) -> int:
    """How many went: some thousands a day are more than anybody sells."""
    with transaction() as session:
        return delete_settled_links(session, tenant_id, before, _LINKS_A_DAY)


def _prune_ledger(now: datetime) -> int:
    """A ledger that somebody reads for long, such as a dump, is left for the next run: that is no fault of the job's."""
    try:
        gone = drop_expired(now)
    except OverloadedError as busy:
        if not busy.held_up:
            raise
        log.warning("prune.ledger_in_use")
        return 0
    if gone is None:
        return 0
    return len(gone.partitions) + gone.keys + gone.reservations + gone.periods + gone.events_without_month
