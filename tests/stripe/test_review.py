"""What a review found and did not put right, for it is for its founders to decide. Each of these is to fail until then."""

import pytest

from app.contract.billing import GeneratePortalLink
from app.contract.users import CreateUser
from app.services import users
from app.services.portal_links import request_portal_link
from app.services.portal_making import make_portal_link
from tests.billing import column
from tests.stripe.market import Market
from tests.tenants import Tenant


@pytest.fixture
def pro(market: Market) -> Market:
    market.sell("pro", 1_000)
    market.shop.user()
    return market


@pytest.mark.xfail(strict=True, reason="all tenants of a mode share the account; operations.md says so")
async def test_a_tenant_gets_no_portal_page_of_another_tenants_customer(pro: Market, other_tenant: Tenant) -> None:
    customer_id = pro.gateway.subscription(await pro.buy("pro")).customer_id
    users.create_user(other_tenant.actor, CreateUser(id="eve", billing_id=customer_id))
    command = GeneratePortalLink(return_url="https://eve.example")
    asked = request_portal_link(other_tenant.actor, "eve", command)
    make_portal_link(other_tenant.actor.tenant_id, str(asked.id), pro.gateway)
    assert column(other_tenant.actor, "portal_links", "status") == ["FAILED"]
