"""How amounts and consumption are shown."""

from app.contract.usage import Consumption
from app.domain.values import INT32_MAX


def consumption_view(used: int, *, budget: int | None, overage_enabled: bool, reserved: int) -> Consumption:
    """`used` of `budget`. The decision itself was made with the true number."""
    return Consumption(
        used=as_int(used),
        budget=budget,
        overage_enabled=overage_enabled,
        reserved=as_int(reserved),
    )


def as_int(amount: int) -> int:
    """The amount, or the nearest that an Int carries.

    Totals are 64-bit inside; a change to a longer period can sum up more than an Int carries.
    """
    return max(-INT32_MAX, min(amount, INT32_MAX))
