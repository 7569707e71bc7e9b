"""Usage while something dies: what was acknowledged is in the books, and a repeat with the same key settles the rest."""

import asyncio
import re
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from tests.dev.starting import CHECKOUT
from tests.races.books import Books
from tests.races.conftest import Ways, client_of
from tests.races.doors import Door, Graphql, RefusedError, Rest, answered, at_once, refused
from tests.races.shop import FEATURE, Shop
from tests.races.web import Web, environment_for
from tests.tenants import Tenant
from tests.until import PATIENCE_SECONDS, until

pytestmark = pytest.mark.processes


@pytest.fixture
def doomed(product: str, redis_url: str, tmp_path: Path) -> Iterator[Web]:
    """A third web process on the shared database."""
    web = Web(environment_for(product, redis_url), tmp_path / "doomed.log")
    try:
        web.wait_until_ready()
        yield web
    finally:
        web.kill()


async def test_after_kill_9_of_a_web_process_every_acknowledged_event_is_booked_once_and_repeats_settle_the_rest(
    doomed: Web, ways: Ways, tenant: Tenant, shop: Shop, books: Books
) -> None:
    package = shop.package(shop.feature(FEATURE))
    careful, careless = shop.user(package), shop.user(package)
    with_key = [
        {"userId": careful, "featureId": FEATURE, "delta": 3, "idempotencyKey": f"key-{number}"}
        for number in range(150)
    ]
    without_key = [{"userId": careless, "featureId": FEATURE, "delta": 3}] * 150
    calls = [fields for pair in zip(with_key, without_key, strict=True) for fields in pair]
    acknowledged: list[tuple[dict[str, Any], str]] = []

    async def attempt(door: Door, fields: dict[str, Any]) -> None:
        with suppress(httpx.TransportError):
            answer = await door.record(**fields)
            acknowledged.append((fields, answer["eventId"]))
            if len(acknowledged) == 100:
                doomed.kill()

    async with client_of(doomed.url, tenant.secret_key) as client:
        rest, graphql = Rest(client), Graphql(client)
        doors: list[Door] = [rest, rest, graphql, graphql] * 75
        pairs = zip(doors, calls, strict=True)
        assert refused(await at_once((attempt(door, fields) for door, fields in pairs), most=32)) == []
    assert 100 <= len(acknowledged) < 300

    told = {fields["idempotencyKey"]: event for fields, event in acknowledged if fields["userId"] == careful}
    unsure = [fields for fields in with_key if fields["idempotencyKey"] not in told]
    repeated = answered(
        await at_once(
            door.record(**fields) for door, fields in zip(ways.through("mix", len(unsure)), unsure, strict=True)
        )
    )

    assert len(repeated) == len(unsure) > 0
    told |= {fields["idempotencyKey"]: answer["eventId"] for fields, answer in zip(unsure, repeated, strict=True)}
    booked = books.events(careful)
    assert {event.idempotency_key: str(event.id) for event in booked} == told
    assert len(booked) == 150
    assert books.used(careful) == 450
    # Without a key nobody can repeat safely, but what was acknowledged is there all the same, once each.
    booked_ids = [str(event.id) for event in books.events(careless)]
    assert {event for fields, event in acknowledged if fields["userId"] == careless} <= set(booked_ids)
    assert books.used(careless) == 3 * len(booked_ids) <= 450


async def test_a_worker_of_granian_that_was_killed_is_replaced(doomed: Web, tenant: Tenant, shop: Shop) -> None:
    user = shop.user(shop.package(shop.feature(FEATURE), limit=1))

    doomed.kill_worker()
    doomed.wait_until_ready()

    async with client_of(doomed.url, tenant.secret_key) as client:
        assert (await Rest(client).record(userId=user, featureId=FEATURE))["recorded"] is True


@dataclass(frozen=True, slots=True)
class Own:
    """A database of the test's own, and a web process on it."""

    postgres: EmbeddedPostgres
    web: Web
    secret_key: str
    books: Books


@pytest.fixture
def own(redis_url: str, tmp_path: Path) -> Iterator[Own]:
    with tempfile.TemporaryDirectory(prefix="meterline-test-", ignore_cleanup_errors=True) as path:
        home = Path(path)
        home.chmod(0o711)
        with EmbeddedPostgres(home) as postgres:
            environment = environment_for(postgres.url, redis_url)
            run(["meterline", "migrate"], environment)
            found = re.search(r"prv_test_\w+", run(["meterline", "apps", "create", "shop"], environment))
            assert found
            web = Web(environment, tmp_path / "web.log")
            try:
                web.wait_until_ready()
                yield Own(postgres, web, found[0], Books(postgres.url, tenant_id_of(postgres.url, "test_shop")))
            finally:
                web.stop()


@pytest.fixture
async def own_doors(own: Own) -> AsyncIterator[tuple[Rest, Graphql]]:
    async with AsyncExitStack() as clients:
        first, second = [await clients.enter_async_context(client_of(own.web.url, own.secret_key)) for _ in range(2)]
        yield Rest(first), Graphql(second)


def run(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, capture_output=True, text=True).stdout


def tenant_id_of(database_url: str, app_id: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT id FROM tenants WHERE public_id = %s", (app_id,)).fetchone()
    assert row is not None
    return int(row[0])


async def test_while_the_database_restarts_calls_fail_cleanly_and_then_web_goes_on_by_itself(
    own: Own, own_doors: tuple[Rest, Graphql]
) -> None:
    rest, _ = own_doors
    await rest.post("/v1/features", {"id": FEATURE, "type": "CONSUMABLE"})
    await rest.post("/v1/packages", {"id": "pro", "features": [{"id": FEATURE}]})
    await rest.post("/v1/packages/pro/publish")
    await rest.post("/v1/users", {"id": "ada"})
    await rest.post("/v1/subscriptions", {"userId": "ada", "packageIds": ["pro"]})
    answers: dict[str, str] = {}
    failures: dict[str, RefusedError] = {}
    done = asyncio.Event()

    async def load(door: Door, number: int) -> None:
        sent = 0
        while not done.is_set():
            key, sent = f"{number}-{sent}", sent + 1
            try:
                answers[key] = (await record(door, key))["eventId"]
            except RefusedError as failure:
                failures[key] = failure

    async with client_of(own.web.url, f"prv_test_{'0' * 32}") as stranger:
        async with asyncio.TaskGroup() as tasks:
            for number in range(12):
                tasks.create_task(load(own_doors[number % 2], number))
            await until(lambda: len(answers) >= 50)
            own.postgres.stop()
            await until(lambda: len(failures) >= 50)
            down = await readiness_once_it_is(503, stranger)
            unsure = await stranger.get("/v1/users")
            own.postgres.start()
            answered_before = len(answers)
            await until(lambda: len(answers) >= answered_before + 50)
            done.set()
        up = await readiness_once_it_is(200, stranger)

    assert {failure.code for failure in failures.values()} == {"OVERLOADED"}
    # REST says it by the status, in a problem document (see `Rest.call`); GraphQL likewise while it cannot say who calls, and
    # with 200 once it executes.
    assert {503} <= {failure.status for failure in failures.values()} <= {200, 503}
    assert (down["database"], up["database"]) == ("failing", "ok")
    # A key that nobody can look up now is not called a bad one.
    assert (unsure.status_code, unsure.json()["code"], unsure.headers["retry-after"]) == (503, "OVERLOADED", "1")
    assert "Traceback" not in own.web.log

    repeated = answered(await at_once(record(own_doors[n % 2], key) for n, key in enumerate(failures)))

    assert len(repeated) == len(failures)
    told = answers | {key: answer["eventId"] for key, answer in zip(failures, repeated, strict=True)}
    booked = own.books.events("ada")
    assert {event.idempotency_key: str(event.id) for event in booked} == told
    assert len(booked) == len(told)
    assert own.books.used("ada") == len(told)


async def readiness_once_it_is(status: int, client: httpx.AsyncClient) -> dict[str, str]:
    """Web keeps what it found out for a second."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := await client.get("/readyz")).status_code != status:
        assert time.monotonic() < deadline, f"/readyz still says {answer.text}"
        await asyncio.sleep(0.05)
    found: dict[str, str] = answer.json()
    return found


async def record(door: Door, key: str) -> dict[str, Any]:
    return await door.record(userId="ada", featureId=FEATURE, delta=1, idempotencyKey=key)
