"""Billing: what is asked of Stripe and made there."""

from celery import shared_task

from app import jobs
from app.services.checkout_closing import close_other_links
from app.services.checkout_making import make_link, requeue_links
from app.services.checkout_sweeping import look_at_link, sweep_links
from app.services.job_runs import run_noted
from app.services.portal_making import drop_portal_links, make_portal_link
from app.services.template_making import make_template, sweep_templates


@shared_task(name=jobs.MAKE_TEMPLATE.name)
def make_one_template(tenant_id: int, template_key: int) -> None:
    """Make a billing template's price, or look it up."""
    run_noted(jobs.MAKE_TEMPLATE, lambda: make_template(tenant_id, template_key))


@shared_task(name=jobs.SWEEP_TEMPLATES.name)
def sweep_unmade_templates() -> None:
    """Have made what nobody has made yet."""
    run_noted(jobs.SWEEP_TEMPLATES, sweep_templates)


@shared_task(name=jobs.MAKE_LINK.name)
def make_one_link(tenant_id: int, link_id: str) -> None:
    """Have Stripe make the page of a link."""
    run_noted(jobs.MAKE_LINK, lambda: make_link(tenant_id, link_id))


@shared_task(name=jobs.REQUEUE_LINKS.name)
def requeue_unmade_links() -> None:
    """Have made what nobody has made yet."""
    run_noted(jobs.REQUEUE_LINKS, requeue_links)


@shared_task(name=jobs.LOOK_AT_LINK.name)
def look_at_one_link(tenant_id: int, link_id: str) -> None:
    """See what has become of a link."""
    run_noted(jobs.LOOK_AT_LINK, lambda: look_at_link(tenant_id, link_id))


@shared_task(name=jobs.CLOSE_OTHER_LINKS.name)
def close_others(tenant_id: int, link_id: str) -> None:
    """Close the buyer's other pages for base packages."""
    run_noted(jobs.CLOSE_OTHER_LINKS, lambda: close_other_links(tenant_id, link_id))


@shared_task(name=jobs.SWEEP_LINKS.name)
def sweep_unsettled_links() -> None:
    """See what was paid without our being told."""
    run_noted(jobs.SWEEP_LINKS, sweep_links)


@shared_task(name=jobs.MAKE_PORTAL_LINK.name)
def make_one_portal_link(tenant_id: int, link_id: str) -> None:
    """Have Stripe make a page of the customer portal."""
    run_noted(jobs.MAKE_PORTAL_LINK, lambda: make_portal_link(tenant_id, link_id))


@shared_task(name=jobs.DROP_PORTAL_LINKS.name)
def forget_portal_links() -> None:
    """Forget links that were for the minute in which they were made."""
    run_noted(jobs.DROP_PORTAL_LINKS, drop_portal_links)
