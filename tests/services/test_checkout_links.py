"""Links to pay by, as callers ask for them: the rules, and which wish gets which link."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.contract.billing import GenerateSubscriptionLink, LinkPrice, SubscriptionLink, UpdateBillingTemplate
from app.db import engine
from app.domain.billing import SubscriptionLinkStatus
from app.errors import (
    CallerError,
    PackageStatusError,
    SubscriptionError,
    SubscriptionLinkError,
    SubscriptionLinkNotFoundError,
    UserNotFoundError,
)
from app.services import billing, packages
from app.services.checkout_links import get_link, request_link
from tests.billing import Stripe, column, make_links
from tests.services.at_once import at_once
from tests.services.shop import NOWHERE, Shop

PENDING = SubscriptionLinkStatus.PENDING
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
URLS = {"success_url": "https://example.com/thanks", "cancel_url": "https://example.com/cart"}


def link(shop: Shop, template_id: str = "pro-month", user_id: str | None = "ada", **urls: str) -> SubscriptionLink:
    command = GenerateSubscriptionLink(template_id=template_id, user_id=user_id, **(URLS | urls))
    return request_link(shop.actor, command)


def sells(shop: Shop, package_id: str, template_id: str, price_id: str = "price_1") -> None:
    billing.link_price(
        shop.actor,
        LinkPrice(
            id=template_id, package_id=package_id, price_id=price_id, amount=5000, currency="gbp", interval="month"
        ),
    )


@pytest.fixture(autouse=True)
def _pro(shop: Shop) -> None:
    shop.user()
    shop.package("pro")
    sells(shop, "pro", "pro-month")


def test_a_link_is_pending_until_it_is_made(shop: Shop) -> None:
    asked = link(shop)
    assert (asked.status, asked.url, asked.error) == (PENDING, None, None)
    assert (asked.user_id, asked.template_id) == ("ada", "pro-month")
    assert get_link(shop.actor, asked.id) == asked


def test_the_same_wish_gets_the_same_link_and_another_wish_another(shop: Shop) -> None:
    shop.user("bob")
    sells(shop, "pro", "pro-too")
    first = link(shop)
    assert link(shop) == first
    others = [
        link(shop, user_id="bob"),
        link(shop, "pro-too"),
        link(shop, success_url="https://example.com/thanks?"),
        link(shop, cancel_url="https://example.com/"),
    ]
    assert len({first.id, *(other.id for other in others)}) == 5


def test_two_who_ask_at_once_get_one_link(shop: Shop) -> None:
    answers = at_once(*[lambda: link(shop)] * 4)
    assert len({answer.id for answer in answers}) == 1
    assert len(column(shop.actor, "checkout_links", "id")) == 1


def test_the_database_itself_lets_no_second_one_be_for_a_known_user(shop: Shop) -> None:
    link(shop)
    link(shop, user_id=None)
    columns = "tenant_id, user_key, template_key, price_id, success_url, cancel_url, fingerprint, status, attempt"
    moments = "created_at, updated_at, sent_at"
    copy = (
        f"INSERT INTO checkout_links (id, {columns}, {moments}) "  # noqa: S608 — our own names
        f"SELECT gen_random_uuid(), {columns}, {moments} FROM checkout_links WHERE tenant_id = :id AND user_key "
    )
    for condition, is_refused in (("IS NULL", False), ("IS NOT NULL", True)):
        statement = text(copy + condition)
        with pytest.raises(IntegrityError) if is_refused else nullcontext(), engine().begin() as connection:
            connection.execute(statement, {"id": shop.actor.tenant_id})


def test_strangers_never_share_a_link(shop: Shop) -> None:
    assert link(shop, user_id=None).id != link(shop, user_id=None).id


def failed(call: Callable[[], object]) -> tuple[type[CallerError], str]:
    with pytest.raises(CallerError) as refused:
        call()
    return type(refused.value), refused.value.message


def test_a_bad_template_is_a_subscription_link_error(shop: Shop) -> None:
    assert failed(lambda: link(shop, NOWHERE)) == (
        SubscriptionLinkError,
        "There is no billing template with the id 'no-such-id'.",
    )
    billing.update_billing_template(shop.actor, "pro-month", UpdateBillingTemplate(active=False))
    assert failed(lambda: link(shop)) == (
        SubscriptionLinkError,
        "Billing template pro-month cannot be sold: it is INACTIVE.",
    )
    assert column(shop.actor, "checkout_links", "id") == []


def test_nobody_is_asked_to_pay_for_what_they_could_not_subscribe_to(shop: Shop) -> None:
    shop.draft("draft")
    sells(shop, "draft", "draft-month")
    shop.addon("extra")
    sells(shop, "extra", "extra-month")
    shop.package("max")
    shop.addon("for-max", base_package_ids=["max"])
    sells(shop, "for-max", "for-max-month")

    assert failed(lambda: link(shop, user_id=NOWHERE))[0] is UserNotFoundError
    assert failed(lambda: link(shop, "draft-month"))[0] is PackageStatusError
    missing = "Cannot subscribe to addon. Missing live tier subscription."
    for user_id in ("ada", None):
        assert failed(lambda user_id=user_id: link(shop, "extra-month", user_id)) == (SubscriptionError, missing)

    shop.subscribe("pro")
    assert failed(lambda: link(shop)) == (SubscriptionError, "Cannot subscribe to multiple tiers")
    assert failed(lambda: link(shop, "for-max-month"))[0] is SubscriptionError
    packages.archive_package(shop.actor, "pro")
    assert failed(lambda: link(shop, user_id=None))[0] is PackageStatusError
    assert column(shop.actor, "checkout_links", "id") == []
    assert link(shop, "extra-month").status is PENDING


def test_an_open_link_is_given_again_until_half_an_hour_before_its_page_closes(shop: Shop, stripe: Stripe) -> None:
    price_id = stripe.price()
    sells(shop, "pro", "pro-real", price_id)
    made = link(shop, "pro-real")
    make_links(shop.actor, stripe.gateway)
    opened = get_link(shop.actor, made.id)
    assert opened.expires_at is not None
    closes = datetime.fromisoformat(opened.expires_at)
    with freeze_time(closes - timedelta(minutes=30, seconds=1)):
        assert link(shop, "pro-real") == opened
    with freeze_time(closes - timedelta(minutes=30)):
        again = link(shop, "pro-real")
    assert (again.status, again.id != made.id) == (PENDING, True)
    assert get_link(shop.actor, made.id).status is SubscriptionLinkStatus.EXPIRED


def test_asking_again_for_a_link_that_is_not_made_has_a_worker_told_again_every_five_seconds(shop: Shop) -> None:
    sent = []
    with freeze_time(BEGAN) as clock:
        for _ in range(3):
            link(shop)
            sent += column(shop.actor, "checkout_links", "sent_at")
            clock.tick(timedelta(seconds=4))
    assert sent == [BEGAN, BEGAN, BEGAN + timedelta(seconds=8)]


@pytest.mark.parametrize("bad_id", ["1", "x", "00000000000000000000000000000000", "{}"])
def test_what_no_link_is_called_is_not_found(shop: Shop, bad_id: str) -> None:
    with pytest.raises(SubscriptionLinkNotFoundError, match=r"^Subscription Link Id not found for app$"):
        get_link(shop.actor, bad_id)


def test_links_and_templates_of_another_tenant_are_unknown(shop: Shop, other_shop: Shop) -> None:
    made = link(shop)
    with pytest.raises(SubscriptionLinkNotFoundError):
        get_link(other_shop.actor, made.id)
    other_shop.user()
    with pytest.raises(SubscriptionLinkError, match="There is no billing template"):
        link(other_shop)
