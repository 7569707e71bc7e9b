"""The double for people and for other processes: its pages, its controls, and what outlives a restart."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.gateways.billing_shapes import CheckoutStatus
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double import StripeDouble
from tests.gateways.conftest import SECRET
from tests.gateways.shop import DAY, Shop, open_shop
from tests.gateways.takers import Taker
from tests.gateways.wire import Said, said
from tests.until import until


def page(double: StripeDouble, url: str) -> str:
    answer = said(double, "GET", urlsplit(url).path, key=None)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return answer.text


def press(double: StripeDouble, url: str, button: str, **form: str) -> Said:
    return said(double, "POST", urlsplit(url).path, {"press": button, **form}, key=None)


def test_the_checkout_page_shows_what_is_bought_and_for_how_much(shop: Shop) -> None:
    session = shop.checkout()
    shown = page(shop.double, session.url or "")
    assert "<td>Pro</td><td class=number>50.00 EUR a month</td>" in shown
    assert '<th class="number">50.00 EUR</th>' in shown
    for button in ("pay", "pay_later", "decline", "cancel"):
        assert f'name="press" value="{button}"' in shown
    assert "http" not in shown.replace(f"{shop.double.url}", "").replace("https://shop.example", "")


def test_pay_leads_back_to_the_shop_with_the_sessions_id(shop: Shop) -> None:
    session = shop.checkout()
    answer = press(shop.double, session.url or "", "pay", email="ann@example.com")
    assert answer.status == 303
    assert answer.headers["Location"] == f"https://shop.example/thanks?session={session.id}"
    paid = shop.gateway.checkout_session(session.id)
    assert (paid.status, paid.payment_status, paid.customer_email) == ("complete", "paid", "ann@example.com")


def test_pay_later_leads_back_and_leaves_it_unpaid(shop: Shop) -> None:
    session = shop.checkout()
    assert press(shop.double, session.url or "", "pay_later").status == 303
    assert shop.gateway.checkout_session(session.id).payment_status == "unpaid"


def test_a_declined_card_is_told_on_the_page_and_nothing_happens(shop: Shop) -> None:
    session = shop.checkout()
    answer = press(shop.double, session.url or "", "decline")
    assert (answer.status, "Your card was declined." in answer.text) == (200, True)
    assert shop.gateway.checkout_session(session.id) == session


def test_cancel_leads_back_and_leaves_it_open(shop: Shop) -> None:
    session = shop.checkout()
    answer = press(shop.double, session.url or "", "cancel")
    assert (answer.status, answer.headers["Location"]) == (303, "https://shop.example/cart")
    assert shop.gateway.checkout_session(session.id).status is CheckoutStatus.OPEN


def test_a_session_cannot_be_paid_twice_and_its_page_says_so(shop: Shop) -> None:
    session = shop.checkout()
    press(shop.double, session.url or "", "pay")
    assert press(shop.double, session.url or "", "pay").status == 400
    assert "You have paid this already." in page(shop.double, session.url or "")
    assert len(shop.double.world.objects("subscription")) == 1


def test_what_people_wrote_is_shown_as_text(gateway: StripeGateway, double: StripeDouble, dashboard: Any) -> None:
    product = gateway.create_product("<script>alert(1)</script>", key="1")
    price = dashboard.prices.create({"product": product.id, "currency": "eur", "unit_amount": 5})
    session = dashboard.checkout.sessions.create(
        {
            "mode": "payment",
            "success_url": "https://a.example/",
            "line_items": [{"price": price.id, "quantity": 1}],
            "customer_email": '"><script>@example.com',
        }
    )
    shown = page(double, session.url) + page(double, f"{double.url}/")
    assert "<script>" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown


def test_the_portal_shows_a_customers_subscriptions_with_a_way_out(shop: Shop) -> None:
    subscription = shop.subscribed()
    portal = shop.gateway.create_portal_session(subscription.customer_id, return_url="https://shop.example/account")
    assert f"/_double/subscriptions/{subscription.id}/end" in page(shop.double, portal.url)
    said(shop.double, "POST", f"/_double/subscriptions/{subscription.id}/end", {"at_period_end": "true"}, key=None)
    assert shop.gateway.subscription(subscription.id).cancel_at_period_end is True
    assert "Keep it" in page(shop.double, portal.url)


def test_the_world_page_lists_what_there_is(shop: Shop) -> None:
    subscription = shop.subscribed()
    shop.double.world.pay_later(shop.checkout(key="link:2:1").id)
    shown = page(shop.double, f"{shop.double.url}/")
    for word in (
        subscription.id,
        subscription.customer_id,
        shop.monthly,
        "The bank pays",
        "checkout.session.completed",
    ):
        assert word in shown


def test_a_button_of_the_world_page_leads_back_to_it(shop: Shop) -> None:
    headers = {"Accept": "text/html", "Referer": f"{shop.double.url}/"}
    answer = said(shop.double, "POST", "/_double/clock", {"advance_seconds": str(DAY)}, key=None, headers=headers)
    assert (answer.status, answer.headers["Location"]) == (303, f"{shop.double.url}/")
    assert shop.double.world.overview().shift_seconds == DAY


def test_the_controls_do_over_http_what_tests_do_in_process(shop: Shop) -> None:
    session = shop.checkout()

    def control(path: str, **form: str) -> Any:
        answer = said(shop.double, "POST", f"/_double{path}", form, key=None)
        assert answer.status == 200, answer.text
        return answer.json

    paid = control(f"/sessions/{session.id}/pay", email="ann@example.com")
    assert (paid["payment_status"], paid["customer_details"]["email"]) == ("paid", "ann@example.com")
    assert control(f"/subscriptions/{paid['subscription']}/fail_renewal")["status"] == "past_due"
    control(f"/customers/{paid['customer']}/card", card="good")
    assert control("/clock", advance_seconds=str(3 * DAY))["shift_seconds"] > 3 * DAY
    assert shop.gateway.subscription(paid["subscription"]).status == "active"
    control("/faults", kind="error", match="GET /v1/prices", times="1")
    assert said(shop.double, "GET", "/v1/prices").status == 500
    control("/faults", kind="error", times="0")
    assert [said(shop.double, "GET", "/v1/prices").status for _ in range(3)] == [500, 500, 500]
    control("/mend")
    assert said(shop.double, "GET", "/v1/prices").status == 200
    assert control("/webhooks", hold="true", drop_rate="0.5")["webhook_faults"]["drop_rate"] == 0.5
    assert control("/limit", per_second="5")["requests"] > 0
    listed = said(shop.double, "GET", "/_double/objects/subscription", key=None).json
    assert [each["id"] for each in listed] == [paid["subscription"]]
    assert said(shop.double, "GET", "/_double/requests", key=None).json[-1]["path"] == "/v1/prices"


@pytest.mark.parametrize(
    ("path", "form", "expected"),
    [
        ("/nothing", {}, (404, None, None)),
        ("/clock", {}, (400, "parameter_missing", "advance_seconds")),
        ("/faults", {"kind": "bad_mood"}, (400, None, "kind")),
        ("/sessions/cs_none/pay", {}, (404, "resource_missing", "id")),
    ],
)
def test_a_control_that_makes_no_sense_is_refused(
    double: StripeDouble, path: str, form: dict[str, str], expected: tuple[int, str | None, str | None]
) -> None:
    assert said(double, "POST", f"/_double{path}", form, key=None).problem == expected


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "stripe.json"
    with StripeDouble(kept_in=file) as first:
        shop = open_shop(first, StripeGateway("sk_test_1", base=first.url))
        session = shop.checkout()
        subscription = shop.subscribed(key="link:2:1")
        first.world.advance(DAY - 60)
        first.world.send_webhooks_to("http://127.0.0.1:1/", SECRET)
    with StripeDouble(kept_in=file) as second:
        gateway = StripeGateway("sk_test_1", base=second.url)
        assert gateway.subscription(subscription.id) == subscription
        assert gateway.checkout_session(session.id).status is CheckoutStatus.OPEN
        again = open_shop(second, gateway)
        assert (again.monthly, again.once) == (shop.monthly, shop.once)
        second.world.advance(120)
        assert gateway.checkout_session(session.id).status is CheckoutStatus.EXPIRED
        assert [each["url"] for each in second.world.objects("webhook_endpoint")] == ["http://127.0.0.1:1/"]
        said(second, "POST", f"/v1/prices/{shop.monthly}", "nickname=Renamed")
        assert gateway.subscription(subscription.id).items[0].price.nickname == "Renamed"
    assert sorted(json.loads(file.read_text())["objects"]["price"]) == sorted([shop.monthly, shop.once])


async def test_an_endpoint_of_the_command_line_is_had_once(double: StripeDouble, gateway: StripeGateway) -> None:
    with Taker() as taker:
        first = double.world.send_webhooks_to(taker.url, "whsec_old")
        assert double.world.send_webhooks_to(taker.url, SECRET) == first
        trusted = StripeGateway("sk_test_1", base=double.url, webhook_secrets=[SECRET])
        gateway.create_product("Pro", key="1")
        await until(lambda: bool(taker.taken))
        (taken,) = taker.taken
        event = trusted.verified_event(taken.body, taken.signature, now=datetime.now(UTC))
        assert event.type == "product.created"
