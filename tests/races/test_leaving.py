"""Callers who leave before their answer, and a server that is told to leave before it has answered."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.races.books import Books
from tests.races.collision import counters_held, held, until_waiting
from tests.races.conftest import client_of
from tests.races.doors import Door, Graphql, Rest
from tests.races.shop import FEATURE, Shop
from tests.races.web import Web, environment_for
from tests.tenants import Tenant
from tests.until import until

pytestmark = pytest.mark.processes


@pytest.fixture
def web(product: str, redis_url: str, tmp_path: Path) -> Iterator[Web]:
    """A web process of the test's own, on the shared database."""
    web = Web(environment_for(product, redis_url), tmp_path / "web.log")
    try:
        web.wait_until_ready()
        yield web
    finally:
        web.kill()


@pytest.fixture
def user(shop: Shop) -> str:
    """Without a counter yet: the batch with their first use must wait for whoever holds their row."""
    return shop.user(shop.package(shop.feature(FEATURE)))


class Sent:
    """Tells when a client has sent its request whole."""

    def __init__(self) -> None:
        self.count = 0

    def traced(self, client: httpx.AsyncClient) -> httpx.AsyncClient:
        async def note(event: str, _info: Any) -> None:
            self.count += event == "http11.receive_response_headers.started"

        async def trace(request: httpx.Request) -> None:
            request.extensions["trace"] = note

        client.event_hooks["request"] = [trace]
        return client


@pytest.mark.parametrize("door_of", [Rest, Graphql])
async def test_what_a_caller_asked_for_who_has_left_while_it_waited_does_not_happen(
    web: Web, tenant: Tenant, user: str, books: Books, door_of: Callable[[httpx.AsyncClient], Door]
) -> None:
    async with client_of(web.url, tenant.secret_key) as patient, client_of(web.url, tenant.secret_key) as impatient:
        stays, leaves = door_of(patient), door_of(impatient)
        with counters_held(books) as connection:
            first = asyncio.create_task(stays.record(userId=user, featureId=FEATURE, delta=1))
            await until_waiting(connection, 1)
            second = asyncio.create_task(stays.record(userId=user, featureId=FEATURE, delta=10))
            impatient.timeout = httpx.Timeout(0.5)
            with pytest.raises(httpx.ReadTimeout):
                await leaves.record(userId=user, featureId=FEATURE, delta=100)
            await until(lambda: "status=499" in web.log)
        await asyncio.gather(first, second)

    assert [event.delta for event in books.events(user)] == [1, 10]
    assert books.used(user) == 11
    assert "Traceback" not in web.log


@pytest.mark.parametrize("with_its_worker", [False, True], ids=["server", "server and worker"])
async def test_what_was_accepted_before_sigterm_is_answered_and_then_the_server_leaves_in_good_order(
    web: Web, tenant: Tenant, user: str, books: Books, with_its_worker: bool
) -> None:
    sent = Sent()
    async with client_of(web.url, tenant.secret_key) as client, client_of(web.url, tenant.secret_key) as other:
        rest, graphql = Rest(sent.traced(client)), Graphql(client)
        await other.get("/healthz")  # a connection that stays open and idle, as those of load balancers do
        with held(books, [("users", user)]) as connection:
            first = asyncio.create_task(rest.record(userId=user, featureId=FEATURE))
            await until_waiting(connection, 1)
            # These wait for the batch that waits for the row.
            others = [asyncio.create_task(door.record(userId=user, featureId=FEATURE)) for door in [rest, graphql] * 15]
            await until(lambda: sent.count == 1 + len(others))
            # Connections and requests are taken in order: when this one is answered, those before it have been taken.
            async with client_of(web.url, tenant.secret_key) as last:
                await last.get("/healthz")

            web.terminate(with_its_worker=with_its_worker)

            await until(lambda: not accepts_connections(web))
            assert not any(task.done() for task in [first, *others])
        answers = await asyncio.gather(first, *others)

        assert [answer["recorded"] for answer in answers] == [True] * 31
        assert web.exit_code() == 0
    assert {str(event.id) for event in books.events(user)} == {answer["eventId"] for answer in answers}
    assert books.used(user) == 31
    assert "Traceback" not in web.log


def accepts_connections(web: Web) -> bool:
    try:
        httpx.get(f"{web.url}/healthz", timeout=5, trust_env=False)
    except httpx.ConnectError:
        return False
    except httpx.TransportError:
        pass  # taken, and dropped as the server was closing its door
    return True
