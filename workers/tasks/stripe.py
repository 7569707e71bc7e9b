"""Stripe: what its events are hints of."""

from celery import shared_task

from app import jobs
from app.services.job_runs import run_noted
from app.services.stripe_events import handle_event


@shared_task(name=jobs.HANDLE_STRIPE_EVENT.name)
def handle_stripe_event(event_id: str) -> None:
    """Look at what an event is about, and copy it."""
    run_noted(jobs.HANDLE_STRIPE_EVENT, lambda: handle_event(event_id))
