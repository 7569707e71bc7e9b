"""`/healthz`, `/readyz`, `/healthz/worker`: what a load balancer and an operator see."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import Litestar

from app import migrating
from app.edge import health
from app.edge.health import KeptAnswer, health_handlers
from tests.environment import DEAD_BROKER, DEAD_DATABASE, environment

FINE = {"status": "ok", "database": "ok", "broker": "ok", "migrations": "ok"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar(route_handlers=health_handlers, openapi_config=None, logging_config=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://meterline.test") as made:
        yield made


async def asked(client: httpx.AsyncClient, path: str) -> tuple[int, dict[str, str], float]:
    """Status, body, and how many seconds it took."""
    began = time.monotonic()
    answer = await client.get(path)
    return answer.status_code, answer.json(), time.monotonic() - began


async def test_a_process_that_can_work_is_live_and_ready(product: str, client: httpx.AsyncClient) -> None:
    assert (await asked(client, "/healthz"))[:2] == (200, {"status": "ok"})
    assert (await asked(client, "/readyz"))[:2] == (200, FINE)


async def test_without_a_database_it_lives_and_is_not_ready(product: str, client: httpx.AsyncClient) -> None:
    with environment(DATABASE_URL=DEAD_DATABASE):
        status, body, seconds = await asked(client, "/readyz")
        assert (await asked(client, "/healthz"))[0] == 200
    assert (status, body) == (503, FINE | {"status": "failing", "database": "failing", "migrations": "failing"})
    assert seconds < 5


async def test_without_a_broker_it_lives_and_is_not_ready(product: str, client: httpx.AsyncClient) -> None:
    with environment(REDIS_URL=DEAD_BROKER):
        status, body, seconds = await asked(client, "/readyz")
        assert (await asked(client, "/healthz"))[0] == 200
    assert (status, body) == (503, FINE | {"status": "failing", "broker": "failing"})
    assert seconds < 5


async def test_a_database_behind_this_code_is_not_ready(
    product: str, database_url: str, client: httpx.AsyncClient
) -> None:
    migrating.downgrade(database_url, "base")
    with environment(DATABASE_URL=database_url):
        status, body, _ = await asked(client, "/readyz")
    assert (status, body) == (503, FINE | {"status": "failing", "migrations": "failing"})


async def test_a_broker_that_is_away_is_a_worker_that_fails_and_is_asked_at_most_every_five_seconds(
    product: str, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_worker", KeptAnswer())  # what other tests were told is not for this one
    with environment(REDIS_URL=DEAD_BROKER):
        status, body, seconds = await asked(client, "/healthz/worker")
    assert (status, body) == (503, {"status": "failing", "worker": "failing"})
    assert seconds < 5
    # The broker is back, but the answer is kept for a while; many callers at once wait for one question.
    answers = await asyncio.gather(*(asked(client, "/healthz/worker") for _ in range(10)))
    assert {answer[0] for answer in answers} == {503}
    assert max(answer[2] for answer in answers) < 1
