"""A webhook is Stripe's, and of now, or it is refused."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import stripe

from app.gateways.billing_errors import BillingNotConfiguredError, BillingSignatureError
from app.gateways.stripe_signatures import sign, verified_payload

SECRET, OTHER = "whsec_of_today_0123456789", "whsec_of_yesterday_0123456"
NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
STAMP = int(NOW.timestamp())
# Spacing, escapes and order that no JSON library of ours would write again.
BODY = '{ "id": "evt_1",\n  "type":"price.updated", "name": "\\u00e4 \u00e4" }'.encode()


def test_a_signed_body_is_read() -> None:
    payload = verified_payload(BODY, sign(BODY, secret=SECRET, stamp=STAMP), secrets=[SECRET], now=NOW)
    assert payload == {"id": "evt_1", "type": "price.updated", "name": "ä ä"}


def test_we_and_the_sdk_sign_alike() -> None:
    theirs = stripe.WebhookSignature.generate_signature_header(BODY.decode(), SECRET, STAMP)
    assert sign(BODY, secret=SECRET, stamp=STAMP) == theirs


@pytest.mark.parametrize("signed_with", [SECRET, OTHER])
def test_during_a_roll_either_secret_of_ours_is_good(signed_with: str) -> None:
    header = sign(BODY, secret=signed_with, stamp=STAMP)
    assert verified_payload(BODY, header, secrets=[SECRET, OTHER], now=NOW)["id"] == "evt_1"


def test_during_a_roll_one_of_the_signatures_of_stripe_is_enough() -> None:
    signature = sign(BODY, secret=SECRET, stamp=STAMP).partition(",")[2]
    header = f"{sign(BODY, secret='whsec_of_tomorrow_0123456', stamp=STAMP)},{signature},v0=abc"
    assert verified_payload(BODY, header, secrets=[SECRET], now=NOW)["id"] == "evt_1"


@pytest.mark.parametrize("seconds", [-300, 300])
def test_five_minutes_of_skew_are_let_pass(seconds: int) -> None:
    header = sign(BODY, secret=SECRET, stamp=STAMP + seconds)
    assert verified_payload(BODY, header, secrets=[SECRET], now=NOW)["id"] == "evt_1"


@pytest.mark.parametrize("seconds", [-301, 301, 10**9])
def test_an_old_webhook_and_one_of_the_future_are_refused(seconds: int) -> None:
    header = sign(BODY, secret=SECRET, stamp=STAMP + seconds)
    with pytest.raises(BillingSignatureError, match="within the last five minutes"):
        verified_payload(BODY, header, secrets=[SECRET], now=NOW)


def test_the_fraction_of_a_second_counts() -> None:
    header = sign(BODY, secret=SECRET, stamp=STAMP)
    with pytest.raises(BillingSignatureError):
        verified_payload(BODY, header, secrets=[SECRET], now=NOW + timedelta(seconds=300, microseconds=1))


def test_a_body_that_was_written_again_is_refused() -> None:
    header = sign(BODY, secret=SECRET, stamp=STAMP)
    with pytest.raises(BillingSignatureError, match="by a secret of ours"):
        verified_payload(json.dumps(json.loads(BODY)).encode(), header, secrets=[SECRET], now=NOW)


def test_another_secret_is_refused() -> None:
    with pytest.raises(BillingSignatureError, match="by a secret of ours"):
        verified_payload(BODY, sign(BODY, secret=OTHER, stamp=STAMP), secrets=[SECRET], now=NOW)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "t=1",
        f"v1={'0' * 64}",
        f"t=,v1={'0' * 64}",
        f"t=-5,v1={'0' * 64}",
        f"t=soon,v1={'0' * 64}",
        f"t=1,t=2,v1={'0' * 64}",
        f"t={'9' * 5000},v1={'0' * 64}",
        "t=1,v1=ä",
        "t=1,v0=abc",
    ],
)
def test_a_header_that_is_none_is_refused(header: str | None) -> None:
    with pytest.raises(BillingSignatureError):
        verified_payload(BODY, header, secrets=[SECRET], now=NOW)


@pytest.mark.parametrize("secrets", [[], [""], ["", ""]])
def test_without_a_secret_nothing_is_believed(secrets: list[str]) -> None:
    with pytest.raises(BillingNotConfiguredError):
        verified_payload(BODY, sign(BODY, secret="", stamp=STAMP), secrets=secrets, now=NOW)


def test_an_empty_secret_beside_a_good_one_opens_nothing() -> None:
    with pytest.raises(BillingSignatureError):
        verified_payload(BODY, sign(BODY, secret="", stamp=STAMP), secrets=[SECRET, ""], now=NOW)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1]", b'"event"', b"{"])
def test_a_signed_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(BillingSignatureError):
        verified_payload(body, sign(body, secret=SECRET, stamp=STAMP), secrets=[SECRET], now=NOW)
