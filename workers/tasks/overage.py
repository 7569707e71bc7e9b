"""Overage: worked out from the ledger, and told to Stripe's meters."""

from celery import shared_task

from app import jobs
from app.services.job_runs import run_noted
from app.services.meter_reports import send_reports
from app.services.overage import report_overage
from app.services.overage_adjusting import adjust_overage
from app.services.overage_checks import compare_overage


@shared_task(name=jobs.REPORT_OVERAGE.name)
def report() -> None:
    """Write down what the hours that are over have to say."""
    run_noted(jobs.REPORT_OVERAGE, report_overage)


@shared_task(name=jobs.SEND_METER_REPORTS.name)
def send() -> None:
    """Tell Stripe what was written down."""
    run_noted(jobs.SEND_METER_REPORTS, send_reports)


@shared_task(name=jobs.COMPARE_OVERAGE.name)
def compare() -> None:
    """Find what Stripe has counted otherwise than it was told."""
    run_noted(jobs.COMPARE_OVERAGE, compare_overage)


@shared_task(name=jobs.ADJUST_OVERAGE.name)
def adjust(tenant_id: int, subscription_id: str) -> None:
    """Have Stripe charge for the overage of the package that there is now."""
    run_noted(jobs.ADJUST_OVERAGE, lambda: adjust_overage(tenant_id, subscription_id))
