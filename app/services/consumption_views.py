"""How amounts and consumption are shown."""

from app.contract.usage import Consumption
from app.domain.values import INT32_MAX
from app.queries.ledger import Entry


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


def consumption_after(entry: Entry) -> Consumption | None:
    """What an entry of the ledger left behind. None when nothing was counted, without a subscription or when BINARY."""
    if entry.used_after is None or entry.overage_enabled is None:
        return None
    return consumption_view(
        entry.used_after,
        budget=entry.budget,
        overage_enabled=entry.overage_enabled,
        reserved=entry.held or 0,
    )
