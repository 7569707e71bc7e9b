"""The REST door with its documentation, on the tests' shared database."""

from collections.abc import AsyncIterator

import pytest
from litestar import Litestar
from litestar.middleware import DefineMiddleware

from app.edge.middleware import RequestContext
from app.rest.docs_page import docs_router
from app.rest.errors import rest_exception_handlers
from app.rest.paths import RoutedAsSent
from app.rest.router import rest_router
from tests.rest.door import Door, door
from tests.tenants import Tenant


@pytest.fixture(scope="session")
def rest_app(product: str) -> Litestar:
    """As `app.main` assembles it, without the other door."""
    app = Litestar(
        route_handlers=[rest_router(), docs_router()],
        middleware=[DefineMiddleware(RequestContext)],
        exception_handlers=rest_exception_handlers,
        logging_config=None,
        openapi_config=None,
    )
    app.asgi_handler = RoutedAsSent(app.asgi_handler)
    return app


@pytest.fixture
async def rest(rest_app: Litestar, tenant: Tenant) -> AsyncIterator[Door]:
    async with door(rest_app, tenant.secret_key) as client:
        yield client


@pytest.fixture
async def other_rest(rest_app: Litestar, other_tenant: Tenant) -> AsyncIterator[Door]:
    async with door(rest_app, other_tenant.secret_key) as client:
        yield client


@pytest.fixture
async def stranger(rest_app: Litestar) -> AsyncIterator[Door]:
    """Somebody without a key."""
    async with door(rest_app, None) as client:
        yield client
