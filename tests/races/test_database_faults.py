"""Usage while Postgres dies: what was acknowledged is in the books, a repeat settles the rest, and web goes on by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from typing import Any

import psycopg
import pytest

from tests.races.crowd import make_crowd
from tests.races.doors import Graphql, RefusedError, Rest, at_once, refused
from tests.races.own import Own, own_servers
from tests.races.settling import Callers
from tests.races.shop import FEATURE
from tests.races.wire import Wire
from tests.until import PATIENCE_SECONDS

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def own(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    with own_servers(redis_url, tmp_path_factory.mktemp("own") / "web.log") as servers:
        yield servers


@pytest.fixture
async def doors(own: Own) -> AsyncIterator[tuple[Rest, Graphql]]:
    async with AsyncExitStack() as wires:
        first, second = [await wires.enter_async_context(Wire(own.web.url, own.secret_key)) for _ in range(2)]
        yield Rest(first), Graphql(second)


@pytest.fixture
async def users(own: Own, doors: tuple[Rest, Graphql]) -> list[str]:
    """Ten new ones, who may use 100."""
    rest, _ = doors
    number = time.monotonic_ns()
    await at_once([rest.post("/v1/features", {"id": FEATURE, "type": "CONSUMABLE"})])
    terms = {"limit": 100, "resetPeriod": "YEAR"}
    package = f"package-{number}"
    await rest.post("/v1/packages", {"id": package, "features": [{"id": FEATURE, "entitlement": terms}]})
    await rest.post(f"/v1/packages/{package}/publish")
    return make_crowd(own.books, package, 10)


async def test_after_kill_9_of_postgres_again_and_again_every_acknowledged_event_is_booked_once(
    own: Own, doors: tuple[Rest, Graphql], users: list[str]
) -> None:
    callers = Callers(doors, users)
    callers.start(24)

    await callers.more(200)
    own.kill_one_backend()
    for _ in range(3):
        await callers.more(200)
        own.kill_postgres()
        await callers.fail(24)
        own.postgres.start()
    await callers.more(200)
    await callers.finish()

    assert {type(failure) for failure in callers.failures} == {RefusedError}
    assert {failure.code for failure in callers.failures} == {"OVERLOADED"}
    assert callers.repeats > 0
    callers.assert_booked(own.books, users)
    assert "Traceback" not in own.web.log


async def test_while_the_database_restarts_calls_fail_cleanly_and_then_web_goes_on_by_itself(
    own: Own, doors: tuple[Rest, Graphql], users: list[str]
) -> None:
    callers = Callers(doors, users)
    async with Wire(own.web.url, f"prv_test_{'0' * 32}") as stranger, Wire(own.web.url, own.secret_key) as client:
        callers.start(12)
        await callers.more(50)
        own.postgres.stop()
        await callers.fail(50)
        down = await readiness_once_it_is(503, stranger)
        unsure = await stranger.request("GET", "/v1/users")
        unlucky = await client.request("POST", "/v1/usage", json={"userId": users[0], "featureId": FEATURE})
        own.postgres.start()
        await callers.more(50)
        await callers.finish()
        up = await readiness_once_it_is(200, stranger)

    assert {failure.code for failure in callers.failures} == {"OVERLOADED"}
    # GraphQL answers 200 once it executes; REST says it by the status, in a problem document (see `Rest.call`).
    assert {failure.status for failure in callers.failures} == {200, 503}
    assert (down["database"], up["database"]) == ("failing", "ok")
    assert (unlucky.status_code, unlucky.json()["code"], unlucky.headers["retry-after"]) == (503, "OVERLOADED", "1")
    # A key that nobody can look up now is not called a bad one.
    assert (unsure.status_code, unsure.json()["code"], unsure.headers["retry-after"]) == (503, "OVERLOADED", "1")
    callers.assert_booked(own.books, users)
    assert "Traceback" not in own.web.log


async def test_while_the_database_is_away_everybody_is_told_so_soon(
    own: Own, doors: tuple[Rest, Graphql], users: list[str]
) -> None:
    rest, graphql = doors
    await rest.record(userId=users[0], featureId=FEATURE)
    own.postgres.stop()
    try:
        began = time.monotonic()
        calls = [door.record(userId=user, featureId=FEATURE) for door in (rest, graphql) for user in users * 10]
        outcomes = await at_once(calls, most=200)
        took = time.monotonic() - began
    finally:
        own.postgres.start()

    assert [refusal.code for refusal in refused(outcomes)] == ["OVERLOADED"] * 200
    # One after the other, two hundred waits for a connection would take minutes.
    assert took < 5
    assert (await rest.record(userId=users[0], featureId=FEATURE))["consumption"]["used"] == 2


async def test_a_database_that_restarted_while_nobody_called_costs_no_call(
    own: Own, doors: tuple[Rest, Graphql], users: list[str]
) -> None:
    rest, graphql = doors
    ada, *others = users

    def everything() -> list[Any]:
        """More calls of each kind at once than there are connections for them."""
        event = {"userId": ada, "featureId": FEATURE}
        check = f"/v1/users/{ada}/features/{FEATURE}/access"
        return [
            *[door.record(userId=user, featureId=FEATURE) for door in (rest, graphql) for user in others],
            *[rest.call("GET", check) for _ in range(5)],
            *[rest.post("/v1/usage/batch", {"events": [event]}) for _ in range(5)],
            *[rest.post("/v1/reservations", event) for _ in range(5)],
            *[rest.call("GET", "/v1/packages") for _ in range(12)],
        ]

    assert refused(await at_once(everything())) == []
    for _ in range(2):
        own.postgres.stop()
        own.postgres.start()
        assert refused(await at_once(everything())) == []
    for user in others:
        assert own.books.used(user) == 6
    assert own.books.used(ada) == 15


async def test_while_the_database_has_no_connection_left_everybody_is_told_so_and_then_web_goes_on(
    own: Own, doors: tuple[Rest, Graphql], users: list[str]
) -> None:
    rest, _ = doors
    await rest.record(userId=users[0], featureId=FEATURE)

    def calls() -> list[Any]:
        return [
            *[rest.record(userId=user, featureId=FEATURE) for user in users],
            *[rest.post("/v1/reservations", {"userId": user, "featureId": FEATURE}) for user in users],
            *[rest.call("GET", "/v1/packages") for _ in range(10)],
        ]

    with every_connection_taken(own):
        outcomes = await at_once(calls())

    assert [(refusal.status, refusal.code) for refusal in refused(outcomes)] == [(503, "OVERLOADED")] * 30
    assert refused(await at_once(calls())) == []
    assert sum(own.books.used(user) for user in users) == 1 + len(users)


@contextmanager
def every_connection_taken(own: Own) -> Iterator[None]:
    """Also those that web has kept open."""
    with ExitStack() as taken:
        first = taken.enter_context(psycopg.connect(own.postgres.url, autocommit=True))
        first.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'meterline'"
        )
        with suppress(psycopg.OperationalError):  # sorry, too many clients already
            while True:
                taken.enter_context(psycopg.connect(own.postgres.url))
        yield


async def readiness_once_it_is(status: int, client: Wire) -> dict[str, str]:
    """Web keeps what it found out for a second."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := await client.request("GET", "/readyz")).status_code != status:
        assert time.monotonic() < deadline, f"/readyz still says {answer.text}"
        await asyncio.sleep(0.05)
    found: dict[str, str] = answer.json()
    return found
