"""Workers have Stripe make the pages of links: one page for each link, whatever fails on the way."""

from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from structlog.testing import capture_logs

from app import jobs
from app.contract.billing import GenerateSubscriptionLink, LinkPrice, SubscriptionLink
from app.contract.users import CreateUser
from app.domain.billing import SubscriptionLinkStatus
from app.gateways.billing_shapes import BillingInterval, CheckoutSession, NewCheckout
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double.faults import FaultKind
from app.gateways.stripe_double.state import Json
from app.services import billing, users
from app.services.checkout_links import get_link, request_link
from app.services.checkout_making import make_link, requeue_links
from tests.billing import Stripe, column, make_links
from tests.environment import environment
from tests.services.at_once import at_once
from tests.services.shop import Shop
from tests.tenants import new_tenant

FAILED, OPEN, PENDING = (
    SubscriptionLinkStatus.FAILED,
    SubscriptionLinkStatus.OPEN,
    SubscriptionLinkStatus.PENDING,
)
CREATE = "POST /v1/checkout/sessions"


def stock(shop: Shop, stripe: Stripe) -> None:
    """A package with two prices, and somebody who may buy it."""
    shop.package("pro")
    shop.user()
    for template_id, interval in (("pro-month", BillingInterval.MONTH), ("pro-once", None)):
        price_id = stripe.price(interval=interval)
        billing.link_price(
            shop.actor,
            LinkPrice(
                id=template_id,
                package_id="pro",
                price_id=price_id,
                amount=5000,
                currency="gbp",
                interval=interval and interval.value,
            ),
        )


@pytest.fixture(autouse=True)
def _pro(shop: Shop, stripe: Stripe) -> None:
    stock(shop, stripe)


def asked_for(shop: Shop, template_id: str = "pro-month", user_id: str | None = "ada") -> SubscriptionLink:
    return request_link(
        shop.actor,
        GenerateSubscriptionLink(
            template_id=template_id,
            user_id=user_id,
            success_url="https://example.com/thanks?session={CHECKOUT_SESSION_ID}",
            cancel_url="https://example.com/cart",
        ),
    )


def work(shop: Shop, stripe: Stripe) -> int:
    return make_links(shop.actor, stripe.gateway)


def read(shop: Shop, link: SubscriptionLink) -> SubscriptionLink:
    return get_link(shop.actor, link.id)


def pages(stripe: Stripe) -> list[Json]:
    return stripe.objects("checkout.session")


def test_a_link_gets_the_page_that_was_wished_for_and_our_tags(shop: Shop, stripe: Stripe) -> None:
    link = asked_for(shop)
    assert work(shop, stripe) == 1

    (page,) = pages(stripe)
    made = read(shop, link)
    assert (made.status, made.url, made.error) == (OPEN, page["url"], None)
    assert datetime.fromisoformat(made.expires_at or "").timestamp() == page["expires_at"]
    assert (page["mode"], page["client_reference_id"]) == ("subscription", link.id)
    assert page["success_url"] == "https://example.com/thanks?session={CHECKOUT_SESSION_ID}"
    assert page["cancel_url"] == "https://example.com/cart"
    assert page["metadata"] == {
        "meterline_tenant": shop.actor.app_id,
        "meterline_link": link.id,
        "meterline_template": "pro-month",
        "meterline_package": "pro",
        "meterline_user": "ada",
    }
    paid = stripe.double.world.pay(page["id"], email="ada@example.com")
    assert stripe.gateway.subscription(paid["subscription"]).metadata == page["metadata"]


def test_a_price_that_is_paid_once_is_paid_in_payment_mode(shop: Shop, stripe: Stripe) -> None:
    asked_for(shop, "pro-once")
    work(shop, stripe)
    assert [page["mode"] for page in pages(stripe)] == ["payment"]


def test_a_user_pays_as_the_customer_that_they_are_or_by_their_email(shop: Shop, stripe: Stripe) -> None:
    customer = stripe.gateway.find_or_create_customer(email="c@example.com", name=None, metadata={}, key="c")
    for command in (
        CreateUser(id="customer", billing_id=customer.id, email="other@example.com"),
        CreateUser(id="mail", billing_id="chargebee-7", email="mail@example.com"),
        CreateUser(id="no-mail"),
    ):
        users.create_user(shop.actor, command)
        asked_for(shop, user_id=command.id)
    asked_for(shop, user_id=None)
    work(shop, stripe)
    seen = {
        page["metadata"].get("meterline_user"): (page["customer"], page["customer_email"]) for page in pages(stripe)
    }
    assert seen == {
        "customer": (customer.id, None),
        "mail": (None, "mail@example.com"),
        "no-mail": (None, None),
        None: (None, None),
    }


def test_a_customer_that_stripe_does_not_know_is_told_and_no_other_is_made(shop: Shop, stripe: Stripe) -> None:
    users.create_user(shop.actor, CreateUser(id="bob", billing_id="cus_none", email="bob@example.com"))
    link = asked_for(shop, user_id="bob")
    assert work(shop, stripe) == 1
    assert (read(shop, link).status, read(shop, link).error) == (
        FAILED,
        "Stripe does not do it: No such customer: 'cus_none'",
    )
    assert pages(stripe) == stripe.objects("customer") == []
    assert asked_for(shop, user_id="bob").id != link.id


def test_what_stripe_says_of_it_is_told_to_who_asked_and_is_not_logged(shop: Shop, stripe: Stripe) -> None:
    users.create_user(shop.actor, CreateUser(id="bob", email="bøb@example.com"))
    link = asked_for(shop, user_id="bob")
    with capture_logs() as logs:
        assert work(shop, stripe) == 1
    assert read(shop, link).error == "Stripe does not do it: Invalid email address: …"
    (line,) = [each for each in logs if each["event"] == "stripe.refused"]
    assert line.pop("request_id").startswith("req_")
    assert line == {
        "event": "stripe.refused",
        "log_level": "warning",
        "error": "BillingRefusedError",
        "reason": "invalid_request_error email_invalid (customer_email), HTTP 400",
        "code": "email_invalid",
        "param": "customer_email",
        "status": 400,
    }


def test_a_second_message_does_nothing(shop: Shop, stripe: Stripe) -> None:
    link = asked_for(shop)
    assert [work(shop, stripe), work(shop, stripe)] == [1, 0]
    assert len(pages(stripe)) == 1
    assert asked_for(shop).url == read(shop, link).url == pages(stripe)[0]["url"]


def test_two_workers_at_once_make_one_page(shop: Shop, stripe: Stripe) -> None:
    link = asked_for(shop)
    at_once(*[lambda: work(shop, stripe)] * 3)
    work(shop, stripe)
    assert (read(shop, link).status, len(pages(stripe))) == (OPEN, 1)


@pytest.mark.parametrize(
    "fault", [FaultKind.LOST_ANSWER, FaultKind.LOST_REQUEST, FaultKind.ERROR, FaultKind.RATE_LIMIT]
)
def test_a_call_that_failed_is_repeated_with_the_same_key(shop: Shop, stripe: Stripe, fault: FaultKind) -> None:
    link = asked_for(shop)
    stripe.fail(fault, CREATE)
    assert work(shop, stripe) == 0
    assert read(shop, link).status is PENDING
    assert (read(shop, link).error or "").startswith("Stripe could not be asked yet: ")
    assert work(shop, stripe) == 1
    assert (read(shop, link).status, read(shop, link).error, len(pages(stripe))) == (OPEN, None, 1)
    assert column(shop.actor, "checkout_links", "attempt") == [1]


@pytest.mark.parametrize("fault", [FaultKind.STORED_ERROR, FaultKind.STORED_ERROR_AFTER])
def test_a_failure_that_stripe_keeps_is_left_behind_by_another_attempt(
    shop: Shop, stripe: Stripe, fault: FaultKind
) -> None:
    link = asked_for(shop)
    stripe.fail(fault, CREATE)
    assert [work(shop, stripe), work(shop, stripe)] == [0, 1]
    assert column(shop.actor, "checkout_links", "attempt") == [2]
    # The page that was made all the same is nobody's: the link has the other one.
    assert read(shop, link).url in [page["url"] for page in pages(stripe)]


def test_a_page_that_came_too_late_is_closed(shop: Shop, stripe: Stripe) -> None:
    class Slower(StripeGateway):
        """While it makes a page, another attempt's worker is done."""

        def create_checkout_session(self, new: NewCheckout, *, key: str) -> CheckoutSession:
            stripe.fail(FaultKind.STORED_ERROR, CREATE)
            assert [work(shop, stripe), work(shop, stripe)] == [0, 1]
            return super().create_checkout_session(new, key=f"{key}:slower")

    link = asked_for(shop)
    slower = Slower("sk_test_slower", base=stripe.double.url, tries_again=0)
    assert make_link(shop.actor.tenant_id, link.id, slower) == 0
    status_by_url = {page["url"]: page["status"] for page in pages(stripe)}
    assert status_by_url.pop(read(shop, link).url) == "open"
    assert list(status_by_url.values()) == ["expired"]


def test_a_link_whose_message_was_lost_is_sent_again_and_given_up_after_an_hour(shop: Shop, stripe: Stripe) -> None:
    began = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with freeze_time(began) as clock:
        link = asked_for(shop)
        assert jobs.wait_until_sent(10)
        sent = []
        for _ in range(2):
            clock.tick(timedelta(seconds=59.5))
            requeue_links()
            sent += column(shop.actor, "checkout_links", "sent_at")
        assert sent == [began, began + timedelta(seconds=119)]
        clock.move_to(began + timedelta(hours=1))
        requeue_links()
    assert (read(shop, link).status, read(shop, link).error) == (
        FAILED,
        "Stripe could not be reached for an hour. Ask again.",
    )
    assert work(shop, stripe) == 0
    assert pages(stripe) == []


def test_a_server_that_is_not_set_up_for_stripe_says_so(shop: Shop, product: str) -> None:
    link = asked_for(shop)
    with environment(STRIPE_API_KEY=None):
        assert make_link(shop.actor.tenant_id, link.id) == 1
    assert read(shop, link).error == "This server is not set up for Stripe, or Stripe does not accept its key."


def test_a_test_tenant_asks_nobody_for_real_money(shop: Shop, stripe: Stripe) -> None:
    link = asked_for(shop)
    live = StripeGateway("sk_live_of_the_tests", base=stripe.double.url, tries_again=0)
    assert make_link(shop.actor.tenant_id, link.id, live) == 1
    assert read(shop, link).error == "Stripe does not do it: This is a test app, and STRIPE_API_KEY is a live key."
    assert pages(stripe) == []


def test_a_live_tenant_takes_no_test_cards(product: str, stripe: Stripe) -> None:
    shop = Shop(new_tenant("live").actor)
    stock(shop, stripe)
    link = asked_for(shop)
    assert work(shop, stripe) == 1
    assert (read(shop, link).status, read(shop, link).error) == (
        FAILED,
        "Stripe does not do it: This is a live app, and STRIPE_API_KEY is a test key.",
    )
    assert pages(stripe) == []


def test_while_stripe_is_away_the_product_goes_on(shop: Shop, stripe: Stripe) -> None:
    link = asked_for(shop)
    with stripe.away():
        assert work(shop, stripe) == 0
        shop.user("bob")
        assert shop.subscribe("pro", user_id="bob")[0].package.id == "pro"
        assert asked_for(shop).id == link.id
    assert work(shop, stripe) == 1
    assert read(shop, link).status is OPEN


def test_among_lost_calls_and_faults_everybody_gets_one_page_however_often_they_ask(shop: Shop, stripe: Stripe) -> None:
    names = [f"user-{number}" for number in range(20)]
    for name in names:
        shop.user(name)
    for fault in (FaultKind.LOST_ANSWER, FaultKind.LOST_REQUEST, FaultKind.ERROR, FaultKind.STORED_ERROR):
        stripe.fail(fault, CREATE, times=0, rate=0.1)
    for name in names:
        at_once(*[lambda name=name: asked_for(shop, user_id=name)] * 2)
    rounds = 0
    while "PENDING" in column(shop.actor, "checkout_links", "status"):
        rounds += 1
        assert rounds < 50
        at_once(*[lambda: work(shop, stripe)] * 3)

    assert column(shop.actor, "checkout_links", "status") == ["OPEN"] * len(names)
    # There may be a page more that nobody has the address of, from an attempt that was left behind.
    urls = column(shop.actor, "checkout_links", "url")
    assert len(set(urls)) == len(names)
    assert set(urls) <= {page["url"] for page in pages(stripe) if page["status"] == "open"}
    assert {page["metadata"]["meterline_user"] for page in pages(stripe)} == set(names)
