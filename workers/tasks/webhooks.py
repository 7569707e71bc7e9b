"""Webhooks that we send."""

from celery import shared_task

from app import jobs
from app.services.job_runs import run_noted
from app.services.webhook_deliveries import deliver_due


@shared_task(name=jobs.DELIVER_WEBHOOKS.name)
def deliver_webhooks() -> None:
    """Send what is due to be sent."""
    run_noted(jobs.DELIVER_WEBHOOKS, deliver_due)
