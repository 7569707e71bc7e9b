"""`/healthz`, `/readyz`, `/healthz/worker`: what a load balancer and an operator see."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import event

from app import migrating
from app.db import engine
from app.edge import health
from app.edge.health import KeptAnswer, health_handlers
from app.services.health import readiness, worker_answers
from tests.environment import DEAD_BROKER, DEAD_DATABASE, environment

FINE = {"status": "ok", "database": "ok", "broker": "ok", "migrations": "ok"}


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    # What other tests were told is not for this one.
    monkeypatch.setattr(health, "_readiness", KeptAnswer(readiness, seconds=1))
    monkeypatch.setattr(health, "_worker", KeptAnswer(worker_answers, seconds=5))
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
    product: str, client: httpx.AsyncClient
) -> None:
    with environment(REDIS_URL=DEAD_BROKER):
        status, body, seconds = await asked(client, "/healthz/worker")
    assert (status, body) == (503, {"status": "failing", "worker": "failing"})
    assert seconds < 5
    # The broker is back, but the answer is kept for a while; many callers at once wait for one question.
    answers = await asyncio.gather(*(asked(client, "/healthz/worker") for _ in range(10)))
    assert {answer[0] for answer in answers} == {503}
    assert max(answer[2] for answer in answers) < 1


async def test_a_crowd_that_asks_whether_it_is_ready_is_one_question_to_the_database(
    product: str, client: httpx.AsyncClient
) -> None:
    asked_of_the_database: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked_of_the_database.append(statement)

    event.listen(engine(), "before_cursor_execute", note)
    try:
        answers = await asyncio.gather(*(asked(client, "/readyz") for _ in range(50)))
    finally:
        event.remove(engine(), "before_cursor_execute", note)

    assert {(status, body["status"]) for status, body, _ in answers} == {(200, "ok")}
    assert asked_of_the_database.count("SELECT 1") == 1


async def test_a_question_is_asked_anew_when_its_answer_is_too_old() -> None:
    numbers = itertools.count(1)
    kept = KeptAnswer(lambda: next(numbers), seconds=60)
    too_old_at_once = KeptAnswer(lambda: next(numbers), seconds=-1)

    assert [await kept.get(), await kept.get()] == [1, 1]
    assert [await too_old_at_once.get(), await too_old_at_once.get()] == [2, 3]
