"""Two web processes on one database, and a tenant for each test."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle, islice

import httpx
import pytest

from tests.races.books import Books
from tests.races.doors import Door, Graphql, Rest
from tests.races.shop import Shop
from tests.races.web import Web, environment_for
from tests.tenants import Tenant

_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Ways:
    """Every way in for one tenant; the n-th of a list is at the n-th process."""

    rest: list[Rest]
    graphql: list[Graphql]

    def through(self, doors: str, count: int) -> list[Door]:
        """So many ways, taken in turn from both processes: "rest", "graphql" or "mix"."""
        choice: dict[str, list[Door]] = {
            "rest": [*self.rest],
            "graphql": [*self.graphql],
            "mix": [self.rest[0], self.graphql[1], self.graphql[0], self.rest[1]],
        }
        return list(islice(cycle(choice[doors]), count))


@pytest.fixture(scope="session")
def webs(product: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Web]]:
    """The two web processes of the run."""
    logs = tmp_path_factory.mktemp("webs")
    started = [Web(environment_for(product, redis_url), logs / f"web-{number}.log") for number in (1, 2)]
    try:
        for web in started:
            web.wait_until_ready()
        yield started
    finally:
        for web in started:
            web.stop()


@pytest.fixture
async def ways(webs: list[Web], tenant: Tenant) -> AsyncIterator[Ways]:
    async with AsyncExitStack() as clients:
        opened = [await clients.enter_async_context(client_of(web.url, tenant.secret_key)) for web in webs]
        yield Ways([Rest(client) for client in opened], [Graphql(client) for client in opened])


@pytest.fixture
def shop(tenant: Tenant) -> Shop:
    return Shop(tenant.actor)


@pytest.fixture
def books(product: str, tenant: Tenant) -> Books:
    return Books(product, tenant.actor.tenant_id)


def client_of(url: str, secret_key: str) -> httpx.AsyncClient:
    """No limit of connections: the tests bound how much is under way."""
    return httpx.AsyncClient(
        base_url=url,
        headers={"Authorization": secret_key},
        timeout=_TIMEOUT_SECONDS,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        trust_env=False,
    )
