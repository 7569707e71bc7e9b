"""What every request gets: an id, headers that keep browsers careful, and a log line without personal data."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, get
from litestar.params import FromPath
from structlog.testing import capture_logs

from app.edge import middleware
from app.edge.health import live
from app.edge.middleware import RequestContext
from app.main import create_app


@get("/users/{user_id:str}", sync_to_thread=False)
def told(user_id: FromPath[str], request: Request[Any, Any, Any]) -> str:
    return str(request.scope["state"]["request_id"])


@get("/fails", sync_to_thread=False)
def fails() -> None:
    raise ZeroDivisionError


@get("/framed", sync_to_thread=False, response_headers={"Referrer-Policy": "same-origin"})
def framed() -> None:
    return None


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar(
        route_handlers=[told, fails, framed, live],
        openapi_config=None,
        logging_config=None,
    )
    app.asgi_handler = RequestContext(app.asgi_handler)  # as app.main does
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://meterline.test") as made:
        yield made


@pytest.mark.parametrize("given", ["a", "req-1.2:3_4", "x" * 128])
async def test_a_callers_id_is_kept_inside_and_outside(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/users/ada", headers={"X-Request-ID": given})
    assert (answer.text, answer.headers["x-request-id"]) == (given, given)


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 129, 'id" level="error', "é", "a;b", "a\tb"])
async def test_an_id_that_could_forge_a_log_line_is_replaced(client: httpx.AsyncClient, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given.encode()}
    answer = await client.get("/users/ada", headers=headers)
    assert re.fullmatch(r"[0-9a-f]{32}", answer.text)
    assert answer.headers["x-request-id"] == answer.text


async def test_each_request_without_an_id_has_its_own(client: httpx.AsyncClient) -> None:
    assert (await client.get("/users/ada")).text != (await client.get("/users/ada")).text


@pytest.mark.parametrize("path", ["/users/ada", "/nowhere", "/fails"])
async def test_every_answer_carries_the_headers(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])


async def test_a_handlers_own_header_is_kept(client: httpx.AsyncClient) -> None:
    assert (await client.get("/framed")).headers.get_list("referrer-policy") == ["same-origin"]


async def logged(client: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    # A logger bound before would go on writing to where it was bound to.
    with capture_logs() as lines:
        monkeypatch.setattr(middleware, "log", middleware.structlog.get_logger("test"))
        await client.get(path)
    return [line for line in lines if line["event"] == "http.request"]


async def test_the_log_line_has_the_template_and_not_the_users_id(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = await logged(client, "/users/ada@example.com", monkeypatch)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/users/{user_id}", 200)
    assert line["duration_ms"] >= 0
    assert "ada" not in str(line)


async def test_what_no_route_owns_is_logged_without_its_path(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = await logged(client, "/ada@example.com", monkeypatch)
    assert (line["path"], line["status"]) == ("unmatched", 404)


async def test_a_fault_is_logged_as_500(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = await logged(client, "/fails", monkeypatch)
    assert (line["path"], line["status"]) == ("/fails", 500)


async def test_health_checks_are_not_logged(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await logged(client, "/healthz", monkeypatch) == []


async def test_the_whole_product_is_inside(product: str) -> None:
    transport = httpx.ASGITransport(create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://meterline.test") as visitor:
        for path in ("/healthz", "/v1/users/ada", "/nowhere"):
            answer = await visitor.get(path, headers={"X-Request-ID": "mine"})
            assert (answer.headers["x-request-id"], answer.headers["x-content-type-options"]) == ("mine", "nosniff")
