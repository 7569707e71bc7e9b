"""The whole application in this process, on real Postgres and Valkey."""

from collections.abc import AsyncIterator

import pytest
from litestar import Litestar

from app.main import create_app
from app.settings import settings
from tests.contract.callers import Caller, running
from tests.tenants import Tenant


@pytest.fixture(scope="session")
async def web(product: str) -> AsyncIterator[Litestar]:
    app = create_app()
    async with running(app):
        yield app


@pytest.fixture
async def web_with_limits_as_strings(product: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Litestar]:
    """As an operator sets it up whose callers rely on Kana's printed examples."""
    monkeypatch.setenv("GRAPHQL_LIMIT_AS_STRING", "true")
    settings.cache_clear()
    app = create_app()
    async with running(app):
        yield app
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
async def caller(web: Litestar, tenant: Tenant) -> Caller:
    return Caller(web, tenant.secret_key)


@pytest.fixture
async def documents_caller(web_with_limits_as_strings: Litestar, tenant: Tenant) -> Caller:
    """A caller for whom `limit` is a string, as in the documents."""
    return Caller(web_with_limits_as_strings, tenant.secret_key)
