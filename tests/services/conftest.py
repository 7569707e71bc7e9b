"""Each test of the services has a shop of its own on the shared database."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from app.db import engine
from app.settings import settings
from tests import billing
from tests.services.shop import Shop
from tests.tenants import Tenant


@pytest.fixture
def shop(tenant: Tenant) -> Shop:
    return Shop(tenant.actor)


@pytest.fixture
def other_shop(other_tenant: Tenant) -> Shop:
    return Shop(other_tenant.actor)


@pytest.fixture
def stripe() -> Iterator[billing.Stripe]:
    with billing.started() as found:
        yield found


@pytest.fixture
def alone_with_webhooks(product: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of other tests is due, and this machine's addresses may be sent to."""
    with engine().begin() as connection:
        connection.execute(text("UPDATE webhook_endpoints SET status = 'DISABLED'"))
    monkeypatch.setenv("WEBHOOK_ALLOW_PRIVATE", "true")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()
