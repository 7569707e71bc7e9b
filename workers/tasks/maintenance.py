"""Keeping the house."""

import structlog
from celery import shared_task

from app import jobs
from app.services.books_checks import check_all, check_one
from app.services.job_runs import run_noted
from app.services.ledger_partitions import make_months
from app.services.pruning import prune

log = structlog.get_logger(__name__)


@shared_task(name=jobs.HEARTBEAT.name)
def heartbeat(nonce: str | None = None) -> str | None:
    """Give back what was sent: proves the way from web or beat through the broker to a worker and back."""
    if nonce is None:  # it comes from beat; whoever asks with a nonce wants to know of workers, not of the database
        run_noted(jobs.HEARTBEAT, lambda: 1)
    log.info("maintenance.heartbeat")
    return nonce


@shared_task(name=jobs.MAKE_PARTITIONS.name)
def make_partitions() -> None:
    """Make the ledger's next months."""
    run_noted(jobs.MAKE_PARTITIONS, make_months)


@shared_task(name=jobs.PRUNE.name)
def prune_old() -> None:
    """Drop what is older than is kept."""
    run_noted(jobs.PRUNE, prune)


@shared_task(name=jobs.CHECK_BOOKS.name)
def check_books() -> None:
    """Have every tenant's books checked, each by a job of its own."""
    run_noted(jobs.CHECK_BOOKS, check_all)


@shared_task(name=jobs.CHECK_BOOKS_OF.name)
def check_books_of(app_id: str) -> None:
    """Check one tenant's books."""
    run_noted(jobs.CHECK_BOOKS_OF, lambda: check_one(app_id))
