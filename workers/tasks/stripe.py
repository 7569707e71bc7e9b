"""Stripe: what its events are hints of."""

from celery import shared_task

from app import jobs
from app.services.job_runs import run_noted
from app.services.stripe_catch_up import catch_up_events
from app.services.stripe_checks import check_prices, compare_subscriptions
from app.services.stripe_events import handle_event
from app.services.stripe_inbox import requeue


@shared_task(name=jobs.HANDLE_STRIPE_EVENT.name)
def handle_stripe_event(event_id: str) -> None:
    """Look at what an event is about, and copy it."""
    run_noted(jobs.HANDLE_STRIPE_EVENT, lambda: handle_event(event_id))


@shared_task(name=jobs.REQUEUE_STRIPE_INBOX.name)
def requeue_inbox() -> None:
    """Have events handled that still wait for it."""
    run_noted(jobs.REQUEUE_STRIPE_INBOX, requeue)


@shared_task(name=jobs.CATCH_UP_STRIPE_EVENTS.name)
def catch_up() -> None:
    """Find the events whose webhook did not come."""
    run_noted(jobs.CATCH_UP_STRIPE_EVENTS, catch_up_events)


@shared_task(name=jobs.COMPARE_SUBSCRIPTIONS.name)
def compare_all_subscriptions() -> None:
    """Hold all subscriptions against Stripe's."""
    run_noted(jobs.COMPARE_SUBSCRIPTIONS, compare_subscriptions)


@shared_task(name=jobs.CHECK_PRICES.name)
def check_all_prices() -> None:
    """Hold all billing templates against Stripe's prices."""
    run_noted(jobs.CHECK_PRICES, check_prices)
