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
from tests.races.wire import Wire
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


@pytest.fixture(scope="session")
def crew(product: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """One web process with two workers. Who kills some of it leaves it whole again."""
    web = Web(environment_for(product, redis_url), tmp_path_factory.mktemp("crew") / "web.log", workers=2)
    try:
        web.wait_until_ready()
        yield web
    finally:
        web.stop()


@pytest.fixture
async def ways(webs: list[Web], tenant: Tenant) -> AsyncIterator[Ways]:
    async with AsyncExitStack() as clients:
        opened = [await clients.enter_async_context(Wire(web.url, tenant.secret_key)) for web in webs]
        yield Ways([Rest(client) for client in opened], [Graphql(client) for client in opened])


@pytest.fixture
async def crew_ways(crew: Web, tenant: Tenant) -> AsyncIterator[Ways]:
    """Which of the two workers answers is decided by the kernel, connection by connection."""
    async with Wire(crew.url, tenant.secret_key) as client:
        yield Ways([Rest(client)] * 2, [Graphql(client)] * 2)


@pytest.fixture(params=["ways", "crew_ways"], ids=["two servers", "two workers"])
def either(request: pytest.FixtureRequest) -> Ways:
    found: Ways = request.getfixturevalue(request.param)
    return found


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
