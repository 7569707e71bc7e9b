"""What was asked of Stripe about subscriptions in these tests, and what workers do about it."""

from typing import Any

from app.services.subscription_acting import act
from tests.stripe.market import Market


def work(market: Market) -> int:
    """What workers do for all of the tenant's requests: how many they settle."""
    asked = market.ask("SELECT id FROM subscription_requests WHERE tenant_id = :tenant_id ORDER BY created_at")
    return sum(act(market.shop.actor.tenant_id, str(id_), market.gateway) for (id_,) in asked)


def requests(market: Market) -> list[tuple[Any, ...]]:
    """(kind, status, error) of all that was asked for, oldest first."""
    return market.ask(
        "SELECT kind, status, error FROM subscription_requests WHERE tenant_id = :tenant_id ORDER BY created_at, id"
    )


def writes(market: Market, since: int) -> list[str]:
    """What was asked of the double that changes something, after its first so many requests."""
    logged = market.double.world.requests()[since:]
    return [f"{each.method} {each.path.split('/')[2]}" for each in logged if each.method != "GET"]
