"""Subscriptions: what time does to them."""

from celery import shared_task

from app import jobs
from app.services.job_runs import run_noted
from app.services.subscription_dates import settle_due


@shared_task(name=jobs.SETTLE_SUBSCRIPTIONS.name)
def settle_subscriptions() -> None:
    """End what is over, and change what was to be changed by now."""
    run_noted(jobs.SETTLE_SUBSCRIPTIONS, settle_due)
