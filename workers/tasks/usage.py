"""Usage: what time does to it."""

from celery import shared_task

from app import jobs
from app.services.job_runs import run_noted
from app.services.reservation_expiry import expire_due
from app.services.usage_resets import reset_due


@shared_task(name=jobs.RESET_DUE.name)
def close_periods() -> None:
    """Close the periods that have ended, and move their counters to the present."""
    run_noted(jobs.RESET_DUE, reset_due)


@shared_task(name=jobs.EXPIRE_RESERVATIONS.name)
def expire_reservations() -> None:
    """Mark the reservations that nobody settled in time."""
    run_noted(jobs.EXPIRE_RESERVATIONS, expire_due)
