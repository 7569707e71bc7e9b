"""The two hot calls are answered alike by the short way and by the typed route: status, headers, body and log line."""

import re
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from freezegun import freeze_time
from litestar import Litestar
from litestar.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from app.edge import middleware
from app.edge.middleware import RequestContext, WholeBodies
from app.rest.errors import rest_exception_handlers
from app.rest.hot import HotCalls
from app.rest.paths import RoutedAsSent
from app.rest.router import rest_router
from tests.environment import DEAD_DATABASE, environment
from tests.raw import Answer, Request, answer_to
from tests.rest.door import api_calls, door
from tests.rest.hot_requests import ACCESS, MAX_BODY_BYTES, ODD, PLAIN, get, usage
from tests.tenants import Tenant, new_tenant


class Framework:
    """What is behind the short way, and how often it was asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        await self._app(scope, receive, send)


@dataclass(frozen=True)
class Way:
    app: Litestar
    framework: Framework
    tenant: Tenant


async def way(*, is_short: bool) -> Way:
    """As `app.main` assembles it, with or without the short way, and with a tenant of its own that is set up the same."""
    with environment(MAX_BODY_BYTES=str(MAX_BODY_BYTES)):
        app = Litestar(
            [rest_router()], exception_handlers=rest_exception_handlers, logging_config=None, openapi_config=None
        )
    framework = Framework(WholeBodies(RoutedAsSent(app.asgi_handler)))
    app.asgi_handler = RequestContext(HotCalls(framework, max_body_bytes=MAX_BODY_BYTES) if is_short else framework)
    tenant = new_tenant()
    async with door(app, tenant.secret_key) as shop:
        await shop.made("/v1/features", id="api-calls", type="CONSUMABLE")
        await shop.made("/v1/features", id="a/b", type="BINARY")
        await shop.sell("pro", api_calls(1_000), {"id": "a/b"})
        for user_id in ("ada", "bob", "bob@example.com", "bü/b"):
            await shop.made("/v1/users", id=user_id)
        with freeze_time("2026-03-05T10:00:00Z"):
            for user_id in ("ada", "bob@example.com", "bü/b"):
                await shop.made("/v1/subscriptions", userId=user_id, packageIds=["pro"])
    return Way(app, framework, tenant)


@pytest.fixture(scope="module")
async def short(product: str) -> Way:
    return await way(is_short=True)


@pytest.fixture(scope="module")
async def typed(product: str) -> Way:
    return await way(is_short=False)


async def told(way: Way, request: Request) -> tuple[Answer, list[Any]]:
    """The answer, and what was logged: each line once, as a database that is away is tried as often as time allows."""
    filled = request.with_default(
        (b"host", b"meterline.test"),
        (b"authorization", b"SECRET"),
        (b"x-request-id", b"the-same-for-both"),
    ).replacing(SECRET=way.tenant.secret_key, PUBLIC=way.tenant.public_key)
    with pytest.MonkeyPatch.context() as patched, capture_logs() as logged:
        patched.setattr(middleware, "log", middleware.structlog.get_logger("test"))
        answer = await answer_to(way.app, filled)
    lines: list[Any] = []
    for line in logged:
        settled = line | {"duration_ms": 0, "exc_info": type(line.get("exc_info"))}
        if settled not in lines:
            lines.append(settled)
    return without_chance(answer), lines


def without_chance(answer: Answer) -> Answer:
    """Each way has events of its own, and the framework keeps the methods of a path in a set."""

    def settled(name: bytes, value: bytes) -> bytes:
        if name == b"content-length" and int(value) == len(answer.body):
            return b"right"
        return b", ".join(sorted(value.split(b", "))) if name == b"allow" else value

    headers = [(name, settled(name, value)) for name, value in answer.headers]
    return replace(answer, headers=headers, body=re.sub(rb'"eventId":"\d+"', b'"eventId":""', answer.body))


async def compared(short: Way, typed: Way, request: Request) -> tuple[Answer, bool]:
    """The answer, which is the same both ways, and whether it took the short one."""
    before = short.framework.calls
    answer, logged = await told(short, request)
    took_short_way = short.framework.calls == before
    assert (answer, logged) == await told(typed, request)
    return answer, took_short_way


@pytest.mark.parametrize(("request_", "status"), PLAIN.values(), ids=PLAIN)
async def test_a_plain_call_is_answered_the_short_way_as_the_typed_route_answers_it(
    short: Way, typed: Way, request_: Request, status: int
) -> None:
    answer, took_short_way = await compared(short, typed, request_)

    assert (answer.status, took_short_way) == (status, True)


@pytest.mark.parametrize(("request_", "status"), ODD.values(), ids=ODD)
async def test_an_odd_call_goes_on_to_the_typed_route_with_its_body(
    short: Way, typed: Way, request_: Request, status: int
) -> None:
    answer, took_short_way = await compared(short, typed, request_)

    assert (answer.status, took_short_way) == (status, False)


@pytest.mark.parametrize("request_", [usage(), get(ACCESS)], ids=["usage", "access"])
async def test_when_the_database_is_away_the_call_is_not_tried_again(short: Way, typed: Way, request_: Request) -> None:
    with environment(DATABASE_URL=DEAD_DATABASE):
        answer, took_short_way = await compared(short, typed, request_)

    assert (answer.status, dict(answer.headers)[b"retry-after"], took_short_way) == (503, b"1", True)


@pytest.mark.parametrize("request_", [usage(), get(ACCESS)], ids=["usage", "access"])
async def test_a_fault_is_logged_and_told_as_one_and_the_call_is_not_tried_again(
    short: Way, typed: Way, request_: Request, product: str
) -> None:
    with psycopg.connect(product, autocommit=True) as connection:
        connection.execute("ALTER TABLE features RENAME TO lost")
    try:
        answer, took_short_way = await compared(short, typed, request_)
    finally:
        with psycopg.connect(product, autocommit=True) as connection:
            connection.execute("ALTER TABLE lost RENAME TO features")

    assert (answer.status, took_short_way) == (500, True)
    assert b'"requestId":"the-same-for-both"' in answer.body
