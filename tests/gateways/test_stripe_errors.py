"""Each way in which Stripe fails is told as what to do about it."""

import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.faults import in_words, traceback_of
from app.gateways.billing_errors import (
    BillingError,
    BillingKeyReusedError,
    BillingNotConfiguredError,
    BillingNotFoundError,
    BillingRateLimitedError,
    BillingRefusedError,
    BillingUnavailableError,
)
from app.gateways.billing_shapes import CheckoutStatus, NewCheckout, SubscriptionChange
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double import StripeDouble
from app.gateways.stripe_double.faults import FaultKind
from tests.gateways.shop import Shop

CREATE = "POST /v1/checkout/sessions"


def sessions(double: StripeDouble) -> int:
    return len(double.world.objects("checkout.session"))


@pytest.mark.parametrize(
    "ask",
    [
        lambda gateway: gateway.product("prod_none"),
        lambda gateway: gateway.price("price_none"),
        lambda gateway: gateway.customer("cus_none"),
        lambda gateway: gateway.checkout_session("cs_none"),
        lambda gateway: gateway.expire_checkout_session("cs_none"),
        lambda gateway: gateway.subscription("sub_none"),
        lambda gateway: gateway.cancel_subscription("sub_none"),
        lambda gateway: gateway.change_subscription("sub_none", SubscriptionChange(), key="1"),
        lambda gateway: gateway.invoice("in_none"),
        lambda gateway: gateway.subscription("../customers"),
    ],
)
def test_an_unknown_id_is_not_found(gateway: StripeGateway, ask: Callable[[StripeGateway], object]) -> None:
    with pytest.raises(BillingNotFoundError) as refused:
        ask(gateway)
    assert refused.value.code == "resource_missing"
    assert (refused.value.request_id or "").startswith("req_")


@pytest.mark.parametrize(
    "ask",
    [
        lambda gateway: gateway.customer(""),
        lambda gateway: gateway.change_subscription("", SubscriptionChange(), key="1"),
        lambda gateway: gateway.metered_usage("", customer_id="cus_1", start=NOW, end=NOW),
    ],
)
def test_an_empty_id_is_not_found_and_nothing_is_asked(
    double: StripeDouble, gateway: StripeGateway, ask: Callable[[StripeGateway], object]
) -> None:
    with pytest.raises(BillingNotFoundError):
        ask(gateway)
    assert double.world.requests() == []


NOW = datetime(2026, 11, 25, tzinfo=UTC)


def checkout(price: str, *, recurring: bool = True, **more: object) -> NewCheckout:
    return NewCheckout(price_id=price, recurring=recurring, success_url="https://shop.example/", **more)  # type: ignore[arg-type]


def refused_checkout(shop: Shop, new: NewCheckout) -> tuple[str | None, str | None]:
    before = sessions(shop.double)
    with pytest.raises(BillingRefusedError) as refused:
        shop.gateway.create_checkout_session(new, key="link:1:1")
    assert not isinstance(refused.value, BillingNotFoundError | BillingKeyReusedError)
    assert sessions(shop.double) == before
    return refused.value.code, refused.value.param


def test_a_session_that_stripe_would_refuse_is_refused_with_code_and_parameter(shop: Shop, dashboard: Any) -> None:
    now = datetime.now(UTC)
    assert refused_checkout(shop, checkout("price_none")) == ("resource_missing", "line_items[0][price]")
    assert refused_checkout(shop, checkout(shop.monthly, customer_id="cus_none")) == ("resource_missing", "customer")
    assert refused_checkout(shop, checkout(shop.monthly, recurring=False)) == (None, "mode")
    assert refused_checkout(shop, checkout(shop.once)) == (None, "mode")
    for away in (timedelta(minutes=29), timedelta(hours=25)):
        assert refused_checkout(shop, checkout(shop.monthly, expires_at=now + away)) == (None, "expires_at")
    customer = shop.gateway.find_or_create_customer(email=None, name=None, metadata={}, key="customer")
    both = checkout(shop.monthly, customer_id=customer.id, customer_email="ann@example.com")
    assert refused_checkout(shop, both) == (None, "customer_email")
    dashboard.prices.update(shop.monthly, {"active": False})
    assert refused_checkout(shop, checkout(shop.monthly)) == (None, "line_items[0][price]")


def test_only_an_open_session_can_be_expired(shop: Shop) -> None:
    session = shop.checkout()
    shop.gateway.expire_checkout_session(session.id)
    with pytest.raises(BillingRefusedError) as refused:
        shop.gateway.expire_checkout_session(session.id)
    assert "status in ['open']" in (refused.value.words or "")


def test_no_text_of_an_error_has_stripes_words_and_those_for_the_tenant_have_no_email(shop: Shop) -> None:
    new = checkout(shop.monthly, customer_email="bøb@example.com")
    with pytest.raises(BillingRefusedError) as refused:
        shop.gateway.create_checkout_session(new, key="link:1:1")
    error = refused.value
    assert str(error) == error.message == "invalid_request_error email_invalid (customer_email), HTTP 400"
    assert (error.code, error.param, error.status) == ("email_invalid", "customer_email", 400)
    assert error.words == "Invalid email address: …"
    told = [in_words(error), traceback_of(error), "".join(traceback.format_exception(error))]
    assert [text for text in told if "bøb" in text or "Invalid email" in text] == []


@pytest.mark.parametrize("key", ["sk_live_of_somebody", "pk_test_1", "nonsense"])
def test_a_key_that_is_not_accepted_is_a_matter_of_settings(double: StripeDouble, key: str) -> None:
    with pytest.raises(BillingNotConfiguredError):
        StripeGateway(key, base=double.url, tries_again=0).prices()


def test_the_same_key_gives_the_same_session_and_makes_one(shop: Shop) -> None:
    assert shop.checkout(key="link:1:1") == shop.checkout(key="link:1:1")
    assert sessions(shop.double) == 1
    assert [each.replayed for each in shop.double.world.requests()[-2:]] == [False, True]


def test_a_key_repeats_the_first_answer_also_when_that_is_no_longer_true(shop: Shop) -> None:
    session = shop.checkout()
    shop.double.world.pay(session.id)
    assert shop.checkout() == session
    assert shop.gateway.checkout_session(session.id).status is CheckoutStatus.COMPLETE


def test_a_key_is_forgotten_after_a_day(shop: Shop) -> None:
    session = shop.checkout()
    shop.double.world.advance(86_401)
    assert shop.checkout().id != session.id


def test_a_key_with_other_content_is_refused(shop: Shop) -> None:
    shop.checkout(shop.monthly, key="link:1:1")
    with pytest.raises(BillingKeyReusedError, match=r"^idempotency_error, HTTP 400$"):
        shop.checkout(shop.once, key="link:1:1")
    assert sessions(shop.double) == 1


def test_a_refusal_is_not_kept_so_its_key_can_be_used_again(shop: Shop) -> None:
    with pytest.raises(BillingRefusedError):
        shop.checkout("price_none")
    assert shop.checkout(shop.monthly).status is CheckoutStatus.OPEN


def failure(shop: Shop, kind: FaultKind, *, seconds: float = 0.0) -> BillingError:
    shop.double.world.fail(kind, CREATE, seconds=seconds)
    with pytest.raises(BillingError) as failed:
        shop.checkout()
    return failed.value


@pytest.mark.parametrize(
    "kind",
    [FaultKind.ERROR, FaultKind.LOST_REQUEST, FaultKind.BAD_GATEWAY, FaultKind.NOT_JSON, FaultKind.CONFLICT],
)
def test_a_failure_before_anything_was_done_is_tried_again_with_the_same_key(shop: Shop, kind: FaultKind) -> None:
    failed = failure(shop, kind)
    assert type(failed) is BillingUnavailableError
    assert failed.stored is False
    assert sessions(shop.double) == 0
    assert shop.checkout().status is CheckoutStatus.OPEN


@pytest.mark.parametrize("kind", [FaultKind.LOST_ANSWER, FaultKind.SLOW_INSIDE])
def test_after_an_answer_that_was_lost_the_same_key_finds_the_session(
    double: StripeDouble, shop: Shop, kind: FaultKind
) -> None:
    hasty = StripeGateway("sk_test_hasty", base=double.url, tries_again=0, read_seconds=0.2)
    double.world.fail(kind, CREATE, seconds=0.3)
    new = checkout(shop.monthly)
    with pytest.raises(BillingUnavailableError):
        hasty.create_checkout_session(new, key="link:1:1")
    patient = StripeGateway("sk_test_patient", base=double.url, tries_again=3, read_seconds=5)
    found = patient.create_checkout_session(new, key="link:1:1")
    assert sessions(double) == 1
    assert double.world.objects("checkout.session")[0]["id"] == found.id


@pytest.mark.parametrize(("kind", "made"), [(FaultKind.STORED_ERROR, 0), (FaultKind.STORED_ERROR_AFTER, 1)])
def test_a_failure_that_stripe_keeps_is_told_and_repeated_and_another_key_helps(
    shop: Shop, kind: FaultKind, made: int
) -> None:
    first = failure(shop, kind)
    assert isinstance(first, BillingUnavailableError)
    with pytest.raises(BillingUnavailableError) as repeated:
        shop.checkout()
    assert (first.stored, repeated.value.stored) == (True, True)
    assert [(each.status, each.replayed) for each in shop.double.world.requests()[-2:]] == [(500, False), (500, True)]
    assert sessions(shop.double) == made
    assert shop.checkout(key="link:1:2").status is CheckoutStatus.OPEN


def test_too_many_calls_are_told_with_how_long_to_wait_and_which_limit_it_was(shop: Shop) -> None:
    failed = failure(shop, FaultKind.RATE_LIMIT, seconds=7)
    assert isinstance(failed, BillingRateLimitedError)
    assert (failed.retry_after_seconds, failed.reason) == (7.0, "global-rate")
    assert sessions(shop.double) == 0
    without = failure(shop, FaultKind.RATE_LIMIT)
    assert isinstance(without, BillingRateLimitedError)
    assert without.retry_after_seconds is None


def ask_ten_times(shop: Shop) -> None:
    for _ in range(10):
        shop.gateway.price(shop.monthly)


def test_the_double_can_have_a_limit_of_requests_a_second(shop: Shop) -> None:
    shop.double.world.limit(2)
    shop.gateway.price(shop.monthly)
    shop.gateway.price(shop.monthly)
    with pytest.raises(BillingRateLimitedError):
        ask_ten_times(shop)
    shop.double.world.limit(0)
    assert shop.gateway.price(shop.monthly).id == shop.monthly


def test_when_stripe_is_away_it_is_unavailable_until_it_is_back(shop: Shop) -> None:
    shop.double.world.set_down(down=True)
    with pytest.raises(BillingUnavailableError):
        shop.gateway.price(shop.monthly)
    shop.double.world.set_down(down=False)
    assert shop.gateway.price(shop.monthly).id == shop.monthly


def test_when_nobody_listens_it_is_unavailable() -> None:
    with pytest.raises(BillingUnavailableError):
        StripeGateway("sk_test_1", base="http://127.0.0.1:1", tries_again=0).prices()


def test_the_gateway_itself_tries_again_and_makes_one_session(double: StripeDouble, shop: Shop) -> None:
    patient = StripeGateway("sk_test_patient", base=double.url)
    double.world.fail(FaultKind.LOST_ANSWER, CREATE)
    before = len(double.world.requests())
    session = patient.create_checkout_session(checkout(shop.monthly), key="link:1:1")
    asked = double.world.requests()[before:]
    assert [(each.key, each.status, each.replayed) for each in asked] == [
        ("link:1:1", None, False),
        ("link:1:1", 200, True),
    ]
    assert [each["id"] for each in double.world.objects("checkout.session")] == [session.id]
