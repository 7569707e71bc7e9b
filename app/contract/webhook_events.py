"""What webhooks say: the `data` of each event type. Whoever announces something gives one of these to the outbox.

A field may be added later; none is renamed, and none goes away.
"""

from collections.abc import Mapping
from typing import Final

from app.contract.billing import SubscriptionLink
from app.contract.shapes import Timestamp, View
from app.contract.subscriptions import Subscription
from app.domain.webhooks import WebhookEventType


class UsageThreshold(View):
    """A user's total has passed `threshold` percent of the limit. Once for each threshold and period."""

    user_id: str
    feature_id: str
    threshold: int
    used: int
    limit: int
    period_start: Timestamp
    period_end: Timestamp


class UsageLimitReached(View):
    """Nothing is left of a hard limit, or usage was refused because too little is. Once in each period."""

    user_id: str
    feature_id: str
    used: int
    limit: int
    period_start: Timestamp
    period_end: Timestamp


class UsageReset(View):
    """A period is over: this is what was used in it, of which limit (null is unlimited). A new one has begun at zero."""

    user_id: str
    feature_id: str
    used: int
    limit: int | None
    overage_enabled: bool
    period_start: Timestamp
    period_end: Timestamp


class WebhookTest(View):
    """Somebody asked for a try: nothing has happened."""

    endpoint_id: str


WEBHOOK_DATA: Final[Mapping[WebhookEventType, type[View]]] = {
    WebhookEventType.USAGE_THRESHOLD: UsageThreshold,
    WebhookEventType.USAGE_LIMIT_REACHED: UsageLimitReached,
    WebhookEventType.USAGE_RESET: UsageReset,
    WebhookEventType.SUBSCRIPTION_CREATED: Subscription,
    WebhookEventType.SUBSCRIPTION_UPDATED: Subscription,
    WebhookEventType.SUBSCRIPTION_CANCELLED: Subscription,
    WebhookEventType.CHECKOUT_COMPLETED: SubscriptionLink,
    WebhookEventType.CHECKOUT_FAILED: SubscriptionLink,
    WebhookEventType.WEBHOOK_TEST: WebhookTest,
}
"""What each type says."""
