"""Real workers and a double of Stripe: what is asked for is made once, whoever is killed and whatever is lost."""

from collections.abc import Iterator

import pytest

from app import jobs
from app.contract.billing import CreateBillingTemplate, GenerateSubscriptionLink
from app.dev.stripe_stand_in import past_proxies
from app.gateways.stripe_double.faults import FaultKind
from app.services.billing import create_billing_template, get_billing_template
from app.services.checkout_links import get_link, request_link
from tests import billing
from tests.billing import Stripe
from tests.services.shop import Shop
from tests.tenants import Tenant
from tests.workers.stage import Stage, children, kill

pytestmark = pytest.mark.processes


@pytest.fixture
def stripe() -> Iterator[Stripe]:
    with billing.started() as found:
        yield found


@pytest.fixture
def asking(stripe: Stripe) -> dict[str, str]:
    """The environment of workers that ask the double."""
    return {"STRIPE_API_KEY": "sk_test_workers", "STRIPE_API_BASE": stripe.double.url, **past_proxies({})}


def sell(shop: Tenant) -> Shop:
    used = Shop(shop.actor)
    used.user()
    used.package("pro")
    template = CreateBillingTemplate(id="pro-month", package_id="pro", amount=5000, currency="gbp", interval="month")
    create_billing_template(shop.actor, template)
    return used


def ask(shop: Tenant) -> str:
    urls = {"success_url": "https://example.com/thanks", "cancel_url": "https://example.com/cart"}
    return request_link(shop.actor, GenerateSubscriptionLink(user_id="ada", template_id="pro-month", **urls)).id


def is_active(shop: Tenant) -> bool:
    return get_billing_template(shop.actor, "pro-month").status.value == "ACTIVE"


def is_open(shop: Tenant, link_id: str) -> bool:
    return get_link(shop.actor, link_id).status.value == "OPEN"


def test_a_worker_that_is_killed_while_stripe_answers_leaves_one_page_to_the_next(
    stage: Stage, shop: Tenant, stripe: Stripe, asking: dict[str, str]
) -> None:
    worker = stage.start("worker", **asking)
    sell(shop)
    stage.until(lambda: is_active(shop))
    waiting = stripe.double.world.api.faults.waiting
    stripe.double.world.fail(FaultKind.SLOW, "POST /v1/checkout/sessions", seconds=3)
    link_id = ask(shop)
    stage.until(lambda: not waiting)  # it has fallen on the call that is under way
    main = worker.pid_of("worker")
    assert main is not None
    (child,) = children(main)
    kill(child)
    stage.until(lambda: is_open(shop, link_id))
    assert len(stripe.objects("checkout.session")) == 1


def test_what_was_asked_for_while_the_broker_was_away_is_found_by_the_sweeps(
    stage: Stage, shop: Tenant, stripe: Stripe, asking: dict[str, str]
) -> None:
    sell(shop)
    assert jobs.wait_until_sent(10)
    # The message is lost, and was sent a minute ago.
    stage.lose_messages()
    stage.execute("UPDATE billing_templates SET sent_at = sent_at - interval '1 minute'")
    sweeps = {"SCHEDULE_STRIPE_SWEEP_TEMPLATES": "0.5", "SCHEDULE_STRIPE_REQUEUE_LINKS": "0.5"}
    stage.start("worker", "beat", **asking, **sweeps)
    stage.until(lambda: is_active(shop))
    assert len(stripe.objects("price")) == 1


def test_whoever_waits_for_a_page_does_not_wait_for_all_of_what_stripe_has_told_before(
    stage: Stage, shop: Tenant, asking: dict[str, str]
) -> None:
    sell(shop)
    assert jobs.wait_until_sent(10)
    worker = stage.start("worker", **asking)
    stage.until(lambda: is_active(shop))
    worker.stop(grace_seconds=0)
    # As on a first of the month, when all subscriptions are renewed.
    for number in range(1_000):
        jobs.send(jobs.HANDLE_STRIPE_EVENT, f"evt_{number}")
    assert jobs.wait_until_sent(30)
    link_id = ask(shop)
    assert jobs.wait_until_sent(10)
    stage.start("worker", **asking)
    stage.until(lambda: is_open(shop, link_id))
    assert stage.sent().count(jobs.HANDLE_STRIPE_EVENT.name) > 500
