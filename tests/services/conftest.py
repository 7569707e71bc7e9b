"""Each test of the services has a shop of its own on the shared database."""

import pytest

from tests.services.shop import Shop
from tests.tenants import Tenant


@pytest.fixture
def shop(tenant: Tenant) -> Shop:
    return Shop(tenant.actor)


@pytest.fixture
def other_shop(other_tenant: Tenant) -> Shop:
    return Shop(other_tenant.actor)
