"""How tests ask why."""

from app.contract.explanations import Explanation
from app.contract.reservations import ReserveUsage
from app.contract.usage import CheckAccess
from app.domain.explanations import SubscribingStep
from app.services.explanations import explain
from app.services.reservations import reserve_usage
from tests.services.shop import Shop


def why(shop: Shop, delta: int = 1, *, user_id: str = "ada", feature_id: str = "calls") -> Explanation:
    found = explain(shop.actor, CheckAccess(user_id=user_id, feature_id=feature_id, delta=delta))
    assert found.answer == shop.access(delta, user_id=user_id, feature_id=feature_id)
    return found


def hold(shop: Shop, amount: int, ttl_seconds: int = 300) -> str:
    command = ReserveUsage(user_id="ada", feature_id="calls", delta=amount, ttl_seconds=ttl_seconds)
    made = reserve_usage(shop.actor, command).reservation
    assert made is not None
    return made.id


def offered(found: Explanation) -> list[tuple[str, SubscribingStep, bool]]:
    """(package, step, whether it would grant), of those that nothing stands in the way of."""
    return [(offer.package_id, offer.step, offer.grants) for offer in found.ways.packages if offer.problem is None]
