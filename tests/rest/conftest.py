"""The REST door on a real database. Each test has a tenant of its own, so tests of a module share the database."""

import itertools
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from litestar import Litestar
from psycopg import sql

from app.db import engine
from app.dev.postgres import EmbeddedPostgres
from app.rest.docs_page import docs_router
from app.rest.errors import rest_exception_handlers
from app.rest.paths import RoutedAsSent
from app.rest.router import rest_router
from app.settings import settings
from tests.rest.door import Door, Tenant, door, new_tenant

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def served_database(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """The database that the app uses while this module runs."""
    name = f"rest_{next(_numbers)}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(migrated_template)
            )
        )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("METERLINE_ENV", "development")
        environment.setenv("DATABASE_URL", postgres.url_of(name))
        settings.cache_clear()
        engine.cache_clear()
        yield postgres.url_of(name)
        engine().dispose()
        engine.cache_clear()
    settings.cache_clear()


@pytest.fixture(scope="module")
def rest_app(served_database: str) -> Litestar:
    app = Litestar(
        route_handlers=[rest_router(), docs_router()],
        exception_handlers=rest_exception_handlers,
        openapi_config=None,
    )
    app.asgi_handler = RoutedAsSent(app.asgi_handler)
    return app


@pytest.fixture
def tenant(served_database: str) -> Tenant:
    return new_tenant()


@pytest.fixture
def other_tenant(served_database: str) -> Tenant:
    return new_tenant()


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
