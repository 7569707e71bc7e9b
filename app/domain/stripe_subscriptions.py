"""What a subscription of Stripe's is in our words. The local one is a copy, so there are no transitions to get wrong."""

from datetime import datetime

from app.domain.subscribing import OVER_STATUSES, SubscriptionStatus

# PAUSED is a trial that ended without a card to charge: it gives no access until there is one. That nothing is collected for a
# while (`pause_collection`) is no status at Stripe, and takes no access away.
_STATUSES = {
    "active": SubscriptionStatus.ACTIVE,
    "trialing": SubscriptionStatus.TRIALING,
    "past_due": SubscriptionStatus.PAST_DUE,
    "unpaid": SubscriptionStatus.UNPAID,
    "paused": SubscriptionStatus.UNPAID,
    "incomplete": SubscriptionStatus.INCOMPLETE,
    "incomplete_expired": SubscriptionStatus.INCOMPLETE_EXPIRED,
    "canceled": SubscriptionStatus.CANCELLED,
}


def status_of(stripe_status: str) -> SubscriptionStatus:
    """Our status for Stripe's word. A word that Stripe added since gives no access: what it means is not known to be paid."""
    return _STATUSES.get(stripe_status, SubscriptionStatus.UNPAID)


def end_of(
    status: SubscriptionStatus,
    *,
    ended_at: datetime | None,
    cancel_at: datetime | None,
    at_period_end: datetime | None,
    now: datetime,
) -> datetime | None:
    """When it ended, or will end by what is arranged now; None: it goes on.

    `at_period_end`: the end of the running period, if it is to end with that. `now` is for one that is over without a date.
    """
    if status in OVER_STATUSES:
        return ended_at or now
    return cancel_at or at_period_end
