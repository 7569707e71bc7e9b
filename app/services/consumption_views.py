"""How consumption is shown."""

from app.contract.usage import Consumption
from app.domain.values import INT32_MAX


def consumption_view(used: int, *, budget: int | None, overage_enabled: bool, reserved: int) -> Consumption:
    """`used` of `budget`. Totals are 64-bit inside; a change to a longer period can sum up more than an Int carries.

    The decision itself was made with the true number.
    """
    return Consumption(
        used=min(used, INT32_MAX),
        budget=budget,
        overage_enabled=overage_enabled,
        reserved=min(reserved, INT32_MAX),
    )
