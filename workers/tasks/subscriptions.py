"""Subscriptions: what time does to them, and what is asked of Stripe about them."""

from celery import shared_task

from app import jobs
from app.services.job_runs import run_noted
from app.services.subscription_acting import act, sweep_requests
from app.services.subscription_dates import settle_due


@shared_task(name=jobs.SETTLE_SUBSCRIPTIONS.name)
def settle_subscriptions() -> None:
    """End what is over, and change what was to be changed by now."""
    run_noted(jobs.SETTLE_SUBSCRIPTIONS, settle_due)


@shared_task(name=jobs.ACT_ON_REQUEST.name)
def act_on_request(tenant_id: int, request_id: str) -> None:
    """Have Stripe cancel or change a subscription."""
    run_noted(jobs.ACT_ON_REQUEST, lambda: act(tenant_id, request_id))


@shared_task(name=jobs.SWEEP_REQUESTS.name)
def sweep_unanswered_requests() -> None:
    """Have asked what nobody has asked yet."""
    run_noted(jobs.SWEEP_REQUESTS, sweep_requests)
