"""The metering rule: what a usage event does to a period's total. It lives here once; the database only holds the locks."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from app.domain.entitlements import NO_SUBSCRIPTION, FeatureType, Limited
from app.domain.values import INT32_MAX

BINARY_HAS_NO_USAGE = "The feature is binary: it is either included or not, and has no usage to record."
LIMIT_WOULD_BE_EXCEEDED = "The usage would exceed the limit of the user's package and overage is not enabled."
TOTAL_OUT_OF_RANGE = f"The period's total would exceed {INT32_MAX}, the largest number the API can carry."


class RecordUsageAction(StrEnum):
    ADD = "ADD"
    SET = "SET"


class Enforcement(StrEnum):
    """What a tenant wants done with usage over a hard limit: refuse it, or record it as a fact that has happened."""

    REFUSE = "REFUSE"
    RECORD = "RECORD"


@dataclass(frozen=True, slots=True)
class Decision:
    """`applied` is the change of the total, `used` the total after it; a refusal has a `reason` and applies 0."""

    recorded: bool
    applied: int
    used: int
    reason: str | None = None


def decide(
    feature_type: FeatureType,
    decider: Limited | None,
    *,
    used: int,
    action: RecordUsageAction,
    delta: int,
    enforcement: Enforcement,
    held: int = 0,
) -> Decision:
    """What one command does when the decider's period stands at `used`, and reservations hold `held` more of it.

    All or nothing for the command: it is applied whole or refused. Only what takes back (a negative ADD) is cut short, at zero,
    and no limit refuses it: it can only bring the total nearer to what is allowed. What is held is not used yet, but is spoken
    for: it leaves less room.
    """
    if feature_type is FeatureType.BINARY:
        return Decision(recorded=False, applied=0, used=used, reason=BINARY_HAS_NO_USAGE)
    if decider is None:
        return Decision(recorded=False, applied=0, used=used, reason=NO_SUBSCRIPTION)
    total = total_after(used, action, delta)
    takes_back = action is RecordUsageAction.ADD and delta < 0
    # A total over the range is possible: a subscription with a longer period becomes the decider and sums more of the ledger.
    if not takes_back and total + held > INT32_MAX:
        return Decision(recorded=False, applied=0, used=used, reason=TOTAL_OUT_OF_RANGE)
    if not takes_back and enforcement is Enforcement.REFUSE and not decider.allows(total + held):
        return Decision(recorded=False, applied=0, used=used, reason=LIMIT_WOULD_BE_EXCEEDED)
    return Decision(recorded=True, applied=total - used, used=total)


def total_after(used: int, action: RecordUsageAction, delta: int) -> int:
    """The total one recorded event leaves behind; never below zero."""
    return max(0, delta if action is RecordUsageAction.SET else used + delta)


def replay(events: Iterable[tuple[RecordUsageAction, int]]) -> int:
    """The total that recorded events leave behind, in ledger order, from an empty period.

    An event is (SET, what it said) or (ADD, what it applied): a taking back that was cut at zero when it was recorded stays
    cut in whichever period it is counted later. This is what "`used` is the ledger inside the period" means;
    `queries.ledger.replayed_totals` is the same rule in SQL.
    """
    used = 0
    for action, amount in events:
        used = total_after(used, action, amount)
    return used
