"""Explanations in a few plain sentences. They say nothing that the fields do not."""

from collections.abc import Iterator, Mapping
from typing import Final

from app.contract.explanations import AccessLater, Explanation
from app.domain.entitlements import DecidingRule
from app.domain.explanations import SubscribingStep

BECAUSE: Final[Mapping[DecidingRule, str]] = {
    DecidingRule.ONLY_ONE: "it is the only one that counts",
    DecidingRule.UNLIMITED: "it is unlimited",
    DecidingRule.HIGHER_LIMIT: "its limit is higher",
    DecidingRule.OVERAGE: "at the same limit it allows overage",
    DecidingRule.NEWEST: "at the same terms it is the newest",
    DecidingRule.MADE_LAST: "of those that began at the same moment it was made last",
}


def in_short(explanation: Explanation) -> list[str]:
    """The story of an explanation: the answer, who decides, the period, the sums, what is pending, what would help."""
    return [
        explanation.answer.reason,
        *_decision(explanation),
        *_sums(explanation),
        *_pending(explanation),
        *_later(explanation),
        *_packages(explanation),
    ]


def _decision(explanation: Explanation) -> Iterator[str]:
    decision, period = explanation.decision, explanation.period
    if decision is None:
        yield "None of the user's subscriptions gives the feature now."
        return
    others = f" and not subscription {decision.instead_of}" if decision.instead_of else ""
    yield f"Subscription {decision.subscription_id} to {decision.package_id} decides{others}: {decision.because}."
    if period:
        yield f"The period began at {period.start} and ends at {period.end}: {period.in_words}."


def _sums(explanation: Explanation) -> Iterator[str]:
    consumption, sums = explanation.answer.consumption, explanation.sums
    if consumption is None or sums is None:
        return
    overage = " with overage" if consumption.overage_enabled else ""
    budget = "no limit" if consumption.budget is None else f"{consumption.budget}{overage}"
    yield f"Used: {consumption.used} of {budget}. Held: {consumption.reserved}. Asked for: {explanation.delta}."
    if not sums.agree:
        yield (
            f"The counter says {sums.counter}, but the ledger {sums.total}: the books are wrong, and the ledger is right. "
            "The operator can repair them: meterline books check --repair."
        )


def _pending(explanation: Explanation) -> Iterator[str]:
    ahead = explanation.pending.events_ahead
    if ahead:
        yield f"Events are dated ahead of now, up to {ahead[-1].timestamp}."


def _later(explanation: Explanation) -> Iterator[str]:
    holds, reset = explanation.ways.after_holds, explanation.ways.after_reset
    if holds:
        yield f"Reservations stand in the way: enough of them will have expired at {holds.at}, and {_allowed(holds)}."
    if reset and reset.package_id is None:
        yield f"At {reset.at}, when the period is over, no subscription will give the feature any more."
    elif reset:
        yield f"At {reset.at} a new period begins, and {_allowed(reset)}."


def _allowed(later: AccessLater) -> str:
    return "any amount can be used then" if later.allowance is None else f"{later.allowance} can be used then"


def _packages(explanation: Explanation) -> Iterator[str]:
    """Nobody who may do what he wants has to buy anything."""
    if explanation.answer.access:
        return
    possible = [offer for offer in explanation.ways.packages if offer.grants and offer.problem is None]
    for step, verb in ((SubscribingStep.SUBSCRIBE, "Subscribe"), (SubscribingStep.CHANGE_SUBSCRIPTION, "Change")):
        package_ids = [offer.package_id for offer in possible if offer.step is step]
        if package_ids:
            yield f"{verb} to one of these packages, and it would be allowed: {', '.join(package_ids)}."
    if not possible:
        yield "No package on sale would allow it at once."
