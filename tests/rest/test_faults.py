"""When the server itself fails."""

import httpx
import psycopg
import pytest
from litestar import Litestar, get
from litestar.exceptions import HTTPException
from structlog.testing import capture_logs

from app.errors import OverloadedError
from app.rest.errors import rest_exception_handlers
from tests.rest.door import Door


async def test_a_fault_is_logged_under_the_request_id_and_nothing_of_it_leaks(rest: Door, product: str) -> None:
    with psycopg.connect(product, autocommit=True) as connection:
        connection.execute("ALTER TABLE features RENAME TO lost")
    try:
        with capture_logs() as logs:
            answer = await rest.get("/v1/features/api-calls")
    finally:
        with psycopg.connect(product, autocommit=True) as connection:
            connection.execute("ALTER TABLE lost RENAME TO features")

    problem = answer.json()
    request_id = problem.pop("requestId")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert problem == {
        "type": "/docs/problems#InternalServerError",
        "title": "Internal server error",
        "status": 500,
        "detail": "The server failed. Nothing about it can be said here; the log has it under the request id.",
        "code": "INTERNAL_SERVER_ERROR",
        "name": "InternalServerError",
    }
    (line,) = [line for line in logs if line["event"] == "rest.failed"]
    assert (line["request_id"], line["method"], line["path"]) == (request_id, "GET", "/v1/features/{featureId}")
    assert "UndefinedTable" in repr(line["exc_info"])


async def test_an_overloaded_server_says_when_to_come_back() -> None:
    @get("/busy", sync_to_thread=False)
    def busy() -> None:
        raise OverloadedError("too many calls at once; nothing was done")

    app = Litestar([busy], exception_handlers=rest_exception_handlers, openapi_config=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://meterline.test") as client:
        answer = await client.get("/busy")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (answer.json()["code"], answer.json()["name"]) == ("OVERLOADED", "OverloadedError")


@pytest.mark.parametrize("status", [400, 404, 500, 418])
async def test_an_error_of_the_framework_is_told_in_our_words(status: int) -> None:
    @get("/odd", sync_to_thread=False)
    def odd() -> None:
        raise HTTPException(detail="an inner secret", status_code=status)

    app = Litestar([odd], exception_handlers=rest_exception_handlers, openapi_config=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://meterline.test") as client:
        answer = await client.get("/odd")

    assert "secret" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == (status if status in (400, 404) else 500)
