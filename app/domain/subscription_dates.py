"""What time does to a subscription: it ends, a trial becomes ACTIVE, the package becomes another one.

The dates on a subscription decide, whether or not a job has written down what they say; so an answer is right to the
millisecond, and stays right when no job has run for a week.
"""

from datetime import datetime, timedelta
from typing import Protocol

from app.domain.subscribing import LIVE_STATUSES, OVER_STATUSES, SubscriptionStatus

# In these what was late is not paid, as far as anybody knows.
_KEEPING_GRACE = (SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID, SubscriptionStatus.CANCELLED)


class Dated(Protocol):
    """A subscription as it is written down. It ends at `ends_at`, and so on: the moments themselves belong to what follows."""

    @property
    def status(self) -> SubscriptionStatus: ...
    @property
    def ends_at(self) -> datetime | None: ...
    @property
    def trial_ends_at(self) -> datetime | None: ...


class Graced(Dated, Protocol):
    """With the moment until which it gives access although a payment is late."""

    @property
    def grace_ends_at(self) -> datetime | None: ...


class Changing(Dated, Protocol):
    """With its packages: from `changes_at` on, `next_package_key`."""

    @property
    def package_key(self) -> int: ...
    @property
    def next_package_key(self) -> int | None: ...
    @property
    def changes_at(self) -> datetime | None: ...


def is_over(subscription: Dated, moment: datetime) -> bool:
    """Whether it has ended by its date."""
    return subscription.ends_at is not None and subscription.ends_at <= moment


def is_finished(subscription: Dated, moment: datetime) -> bool:
    """Whether nothing will become of it any more: of one that does not give access something still may."""
    return subscription.status in OVER_STATUSES or is_over(subscription, moment)


def is_live(subscription: Graced, moment: datetime) -> bool:
    """Whether it gives access."""
    grace_ends_at = subscription.grace_ends_at
    is_late = subscription.status is SubscriptionStatus.PAST_DUE
    is_in_grace = is_late and grace_ends_at is not None and moment < grace_ends_at
    return (subscription.status in LIVE_STATUSES or is_in_grace) and not is_over(subscription, moment)


def grace_end(before: Graced | None, status: SubscriptionStatus, now: datetime, days: int) -> datetime | None:
    """What `grace_ends_at` is to be of one that is seen with this status now. `before` is what was written down, if it was.

    It is fixed when the payment is first seen to be late, whatever the setting becomes. Of one that is cancelled then it stays:
    until then it gave access. And of one that nobody pays for meanwhile: its quantity can be 0 today, and tomorrow not.
    """
    if before is not None and status in _KEEPING_GRACE and _was_late(before):
        return before.grace_ends_at
    return now + timedelta(days=days) if status is SubscriptionStatus.PAST_DUE and days else None


def _was_late(before: Graced) -> bool:
    if before.status is SubscriptionStatus.UNPAID:
        return before.grace_ends_at is not None
    return before.status in _KEEPING_GRACE


def status_at(subscription: Dated, moment: datetime) -> SubscriptionStatus:
    """What its status is, with what the dates have done to it by then."""
    if is_over(subscription, moment) and subscription.status not in OVER_STATUSES:
        return SubscriptionStatus.CANCELLED
    trial_ends_at = subscription.trial_ends_at
    if subscription.status is SubscriptionStatus.TRIALING and trial_ends_at is not None and trial_ends_at <= moment:
        return SubscriptionStatus.ACTIVE
    return subscription.status


def has_changed(subscription: Changing, moment: datetime) -> bool:
    """Whether the next package has taken the place of the package. Never, if the subscription ends before, or just then."""
    changes_at, ends_at = subscription.changes_at, subscription.ends_at
    return changes_at is not None and changes_at <= moment and (ends_at is None or changes_at < ends_at)


def package_key_at(subscription: Changing, moment: datetime) -> int:
    """The package that it is to."""
    if subscription.next_package_key is not None and has_changed(subscription, moment):
        return subscription.next_package_key
    return subscription.package_key


def will_change(subscription: Changing, moment: datetime) -> bool:
    """Whether a change of package is still to come."""
    changes_at, ends_at = subscription.changes_at, subscription.ends_at
    return changes_at is not None and changes_at > moment and (ends_at is None or changes_at < ends_at)
