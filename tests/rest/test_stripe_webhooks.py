"""`POST /webhooks/stripe`: what is Stripe's is written down once and answered with 200, everything else is refused."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.db import engine
from app.gateways.stripe_signatures import sign
from app.main import create_app
from tests.environment import DEAD_DATABASE, environment

SECRET, NEXT_SECRET = "whsec_of_the_tests_0123456789", "whsec_that_comes_next_0123456"


@pytest.fixture
def secrets(product: str) -> Iterator[None]:
    """Two, as while one takes the place of the other."""
    with environment(STRIPE_API_KEY="sk_test_of_the_tests", STRIPE_WEBHOOK_SECRET=f"{NEXT_SECRET},{SECRET}"):
        yield


@pytest.fixture
async def web(secrets: None) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app()), base_url="http://meterline.test") as it:
        yield it


def event(number: int | str, type_: str = "customer.subscription.updated", **more: Any) -> bytes:
    about = {"id": f"sub_{number}", "object": "subscription", "customer": "cus_1"}
    whole = {"id": f"evt_{number}", "type": type_, "created": 1_790_000_000, "livemode": False}
    return json.dumps(whole | {"data": {"object": about}} | more).encode()


async def posted(
    web: httpx.AsyncClient, body: bytes, *, secret: str = SECRET, ago: int = 0, header: str | None = None
) -> httpx.Response:
    signature = sign(body, secret=secret, stamp=int(time.time()) - ago) if header is None else header
    return await web.post("/webhooks/stripe", content=body, headers={"Stripe-Signature": signature})


def kept(number: int | str) -> list[tuple[Any, ...]]:
    statement = text(
        "SELECT type, is_live, object_id, subscription_id, extract(epoch FROM created_at)::bigint, attempts, "
        "next_attempt_at - received_at = interval '2 minutes', handled_at FROM stripe_inbox WHERE event_id = :id"
    )
    with engine().connect() as connection:
        return [tuple(row) for row in connection.execute(statement, {"id": f"evt_{number}"})]


async def test_a_thin_event_about_a_meter_is_taken_with_its_own_endpoints_secret(web: httpx.AsyncClient) -> None:
    thin = {
        "id": "evt_thin",
        "object": "v2.core.event",
        "type": "v1.billing.meter.error_report_triggered",
        "created": "2026-09-21T14:13:20.000Z",
        "livemode": False,
        "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"},
    }
    answer = await posted(web, json.dumps(thin).encode(), secret=NEXT_SECRET)
    assert (answer.status_code, answer.content) == (200, b"")
    assert kept("thin") == [(thin["type"], False, "mtr_1", None, 1_790_000_000, 0, True, None)]


async def test_a_webhook_is_written_down_once_and_answered_with_200(web: httpx.AsyncClient) -> None:
    for _ in range(3):
        answer = await posted(web, event("once"))
        assert (answer.status_code, answer.content) == (200, b"")
    row = ("customer.subscription.updated", False, "sub_once", "sub_once", 1_790_000_000, 0, True, None)
    assert kept("once") == [row]


async def test_during_a_roll_both_secrets_sign(web: httpx.AsyncClient) -> None:
    assert (await posted(web, event("old"))).status_code == 200
    assert (await posted(web, event("new"), secret=NEXT_SECRET)).status_code == 200
    assert [len(kept("old")), len(kept("new"))] == [1, 1]


async def test_what_is_not_signed_by_stripe_for_us_and_now_is_refused(web: httpx.AsyncClient) -> None:
    body = event("refused")
    attempts = [
        await posted(web, body, secret="whsec_of_somebody_else"),
        await posted(web, body, ago=301),
        await posted(web, body, ago=-301),
        await posted(web, body, header="nonsense"),
        await posted(web, body + b" ", header=sign(body, secret=SECRET, stamp=int(time.time()))),
        await posted(web, b"no JSON"),
        await posted(web, b"{}"),
        await web.post("/webhooks/stripe", content=body),
    ]
    assert {answer.status_code for answer in attempts} == {400}
    assert attempts[0].headers["content-type"] == "application/problem+json"
    assert attempts[0].json()["detail"] == "Not signed by Stripe for us within the last five minutes."
    assert kept("refused") == []


@pytest.mark.parametrize(
    "change",
    [
        *({"created": moment} for moment in (10**30, 1e300, -(10**14), None)),
        *({"id": id_} for id_ in (["x"], 5, None, "", "evt_\0", "evt_\ud800", "e" * 256)),
        *({"data": {"object": {"id": id_, "object": "subscription"}}} for id_ in (5, "sub_\0", ["x"])),
        *({"data": data} for data in ([1], "x", {"object": "x"}, {"object": {"object": "invoice", "parent": "x"}})),
        {"livemode": None},
    ],
)
async def test_what_stripe_signed_and_is_no_event_is_refused(web: httpx.AsyncClient, change: dict[str, Any]) -> None:
    assert (await posted(web, event("odd", **change))).status_code == 400
    assert kept("odd") == []


async def test_an_event_of_the_other_mode_is_refused(web: httpx.AsyncClient) -> None:
    assert (await posted(web, event("live", livemode=True))).status_code == 400
    assert kept("live") == []


async def test_a_type_that_says_nothing_to_us_is_answered_with_200_and_not_kept(web: httpx.AsyncClient) -> None:
    assert (await posted(web, event("unknown", "moon.waxed"))).status_code == 200
    assert kept("unknown") == []


async def test_a_body_that_is_too_large_is_refused(web: httpx.AsyncClient) -> None:
    answer = await posted(web, event("large", padding="x" * 1_000_000))
    assert (answer.status_code, answer.json()["name"]) == (413, "BodyTooLargeError")
    assert kept("large") == []


async def test_without_a_secret_there_is_no_such_door(product: str) -> None:
    with environment(STRIPE_WEBHOOK_SECRET=None):
        transport = httpx.ASGITransport(create_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://meterline.test") as web:
            body = event("nobody")
            answer = await posted(web, body, secret="")
            assert (answer.status_code, answer.json()["name"]) == (404, "RouteNotFoundError")
    assert kept("nobody") == []


async def test_while_the_database_is_away_stripe_is_told_to_come_again(web: httpx.AsyncClient) -> None:
    with environment(DATABASE_URL=DEAD_DATABASE, STRIPE_API_KEY="sk_test_of_the_tests", STRIPE_WEBHOOK_SECRET=SECRET):
        assert (await posted(web, event("later"))).status_code == 503
    assert (await posted(web, event("later"))).status_code == 200
    assert len(kept("later")) == 1
