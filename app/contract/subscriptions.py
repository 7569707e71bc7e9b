"""Subscriptions: a user has a package."""

from app.contract.packages import Package
from app.contract.shapes import Command, Metadata, Timestamp, View
from app.domain.subscribing import SubscriptionStatus
from app.domain.subscription_requests import RequestKind, RequestStatus
from app.domain.values import check_id, check_metadata, check_range
from app.errors import InvalidInputError

PACKAGES_PER_CALL_MAX = 100
TRIAL_DAYS_MAX = 730


class Subscribe(Command):
    """All of the packages or none; the subscriptions come back in the order of `package_ids`.

    With `trial_days` all of them begin as trials.
    """

    user_id: str
    package_ids: list[str]
    metadata: Metadata = None
    trial_days: int | None = None

    def __post_init__(self) -> None:
        check_id("userId", self.user_id)
        if not self.package_ids:
            raise InvalidInputError("packageIds", "must name at least one package")
        if len(self.package_ids) > PACKAGES_PER_CALL_MAX:
            raise InvalidInputError("packageIds", f"must name at most {PACKAGES_PER_CALL_MAX} packages")
        for position, package_id in enumerate(self.package_ids):
            check_id(f"packageIds[{position}]", package_id)
            if package_id in self.package_ids[:position]:
                raise InvalidInputError(f"packageIds[{position}]", f"repeats {package_id!r}")
        check_metadata("metadata", self.metadata)
        if self.trial_days is not None:
            check_range("trialDays", self.trial_days, at_least=1, at_most=TRIAL_DAYS_MAX)


class CancelSubscription(Command):
    """Now, or when the running period ends. A base takes the user's add-ons with it, for they cannot stand alone."""

    at_period_end: bool = False


class ChangeSubscription(Command):
    """Swap the base package, now or when the running period ends. Id and start stay, so periods and usage go on."""

    package_id: str
    at_period_end: bool = False

    def __post_init__(self) -> None:
        check_id("packageId", self.package_id)


class PendingChange(View):
    """From `at` on the subscription is to `package`."""

    package: Package
    at: Timestamp


class SubscriptionRequest(View):
    """What was asked of the provider that bills a subscription. `package_id` is for a CHANGE."""

    kind: RequestKind
    status: RequestStatus
    at_period_end: bool
    package_id: str | None
    error: str | None
    asked_at: Timestamp


class Subscription(View):
    """`ends_at` is when access ends or ended; null while nobody has cancelled it. `grace_ends_at`: only while it is PAST_DUE.
    `last_request`: only if a provider bills it.
    """

    id: str
    user_id: str
    status: SubscriptionStatus
    started_at: Timestamp
    ends_at: Timestamp | None
    trial_ends_at: Timestamp | None
    grace_ends_at: Timestamp | None
    metadata: Metadata
    package: Package
    pending_change: PendingChange | None
    last_request: SubscriptionRequest | None
