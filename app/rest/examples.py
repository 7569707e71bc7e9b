"""One example for every request and response of the API, as the OpenAPI document shows them.

They tell one story: Ada, who has Pro with 1,000 API calls a month. The responses are built from the views themselves, so an
example that no longer fits its type does not even start; a test holds the requests against the commands.
"""

from dataclasses import dataclass
from typing import Any, Final

from msgspec import to_builtins
from msgspec.structs import replace

from app.contract.features import Feature
from app.contract.packages import Package, PackageFeature, PackagePrice
from app.contract.reservations import Reservation, ReservedUsage
from app.contract.shapes import Page, View
from app.contract.subscriptions import PendingChange, Subscription
from app.contract.usage import (
    Consumption,
    ConsumptionInPeriod,
    Entitlement,
    RecordedUsage,
    RecordedUsages,
    ShowUsage,
    UsageResult,
)
from app.contract.usage_history import UsageEvent, UsagePoint, UsageSeries
from app.contract.users import GeneratedUserToken, User
from app.contract.webhook_events import UsageThreshold
from app.contract.webhooks import RedeliveredWebhooks, WebhookDelivery, WebhookEndpoint
from app.domain.entitlements import ALLOWED_CONSUMABLE, FeatureType
from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED, RecordUsageAction
from app.domain.periods import ResetPeriod
from app.domain.reservations import ReservationStatus
from app.domain.subscribing import PackageStatus, SubscriptionStatus
from app.domain.usage_history import SeriesInterval
from app.domain.webhooks import DeliveryStatus, EndpointStatus, WebhookEventType
from app.rest.example_explanation import EXPLANATION
from app.rest.subscriptions import Subscribed


@dataclass(frozen=True, slots=True)
class Examples:
    """Of one operation, each by a short title."""

    responses: dict[str, View]
    requests: dict[str, dict[str, Any]]


API_CALLS = Feature(
    id="api-calls",
    name="API calls",
    type=FeatureType.CONSUMABLE,
    unit_label="API call",
    unit_label_plural="API calls",
    usage_thresholds=[80, 100],
    metadata={},
)
ADA = User(
    id="ada", billing_id="cus_Qb3kZ0", name="Ada Lovelace", email="ada@example.com", metadata={"region": "eu-west"}
)
PRO = Package(
    id="pro",
    name="Pro",
    is_addon=False,
    status=PackageStatus.PUBLISHED,
    updated_at="2026-03-01T09:30:00.000Z",
    metadata={"team": "blue"},
    base_package_ids=[],
    features=[
        PackageFeature(
            id="api-calls",
            name="API calls",
            type=FeatureType.CONSUMABLE,
            limit=1000,
            reset_period=ResetPeriod.MONTH,
            overage_enabled=False,
            unit_label="API call",
            unit_label_plural="API calls",
            metadata={},
        )
    ],
    prices=[
        PackagePrice(
            id="price_1P3xQ2",
            provider="STRIPE",
            amount=5000,
            display_amount="50.00",
            currency="gbp",
            interval="month",
        )
    ],
)
PRO_DRAFT = Package(
    id="pro-2027",
    name="Pro 2027",
    is_addon=False,
    status=PackageStatus.DRAFT,
    updated_at="2026-03-04T16:20:00.000Z",
    metadata={"team": "blue"},
    base_package_ids=[],
    features=PRO.features,
    prices=[],
)
PRO_ARCHIVED = Package(
    id="pro",
    name="Pro",
    is_addon=False,
    status=PackageStatus.ARCHIVED,
    updated_at="2026-09-01T09:30:00.000Z",
    metadata={"team": "blue"},
    base_package_ids=[],
    features=PRO.features,
    prices=PRO.prices,
)
MAX = replace(
    PRO,
    id="max",
    name="Max",
    features=[replace(PRO.features[0], limit=5000)],
    prices=[replace(PRO.prices[0], id="price_1P3xR7", amount=20000, display_amount="200.00")],
)
ADAS_PRO = Subscription(
    id="1042",
    user_id="ada",
    status=SubscriptionStatus.ACTIVE,
    started_at="2026-03-05T10:00:00.000Z",
    ends_at=None,
    trial_ends_at=None,
    metadata={},
    package=PRO,
    pending_change=None,
)
ADAS_PRO_ENDING = Subscription(
    id="1042",
    user_id="ada",
    status=SubscriptionStatus.ACTIVE,
    started_at="2026-03-05T10:00:00.000Z",
    ends_at="2026-05-05T10:00:00.000Z",
    trial_ends_at=None,
    metadata={},
    package=PRO,
    pending_change=None,
)
ADAS_TRIAL = replace(ADAS_PRO, status=SubscriptionStatus.TRIALING, trial_ends_at="2026-03-19T10:00:00.000Z")
ADAS_PRO_CHANGING = replace(ADAS_PRO, pending_change=PendingChange(package=MAX, at="2026-05-05T10:00:00.000Z"))
ADAS_MAX = replace(ADAS_PRO, package=MAX)
USED = Consumption(used=250, budget=1000, overage_enabled=False, reserved=0)
USED_UP = Consumption(used=1000, budget=1000, overage_enabled=False, reserved=0)
EVENT_ID = "70211"
HOLD = Reservation(
    id="3107",
    user_id="ada",
    feature_id="api-calls",
    amount=75,
    status=ReservationStatus.HELD,
    created_at="2026-04-07T14:02:11.480Z",
    expires_at="2026-04-07T14:04:11.480Z",
    event_id=None,
)
EVENT = UsageEvent(
    id=EVENT_ID,
    user_id="ada",
    feature_id="api-calls",
    timestamp="2026-04-07T14:02:11.480Z",
    recorded_at="2026-04-07T14:02:11.480Z",
    action=RecordUsageAction.ADD,
    delta=5,
    applied=5,
    recorded=True,
    reason=None,
    period_start="2026-04-05T10:00:00.000Z",
    period_end="2026-05-05T10:00:00.000Z",
    consumption=USED,
    idempotency_key="request-8817",
    reverts_id=None,
    reverted_by_id=None,
    reservation_id=None,
)
SERIES = UsageSeries(
    interval=SeriesInterval.DAY,
    points=[
        UsagePoint(start="2026-04-05T10:00:00.000Z", end="2026-04-06T00:00:00.000Z", used=120),
        UsagePoint(start="2026-04-06T00:00:00.000Z", end="2026-04-07T00:00:00.000Z", used=0),
        UsagePoint(start="2026-04-07T00:00:00.000Z", end="2026-04-08T00:00:00.000Z", used=130),
    ],
)
HOLD_RELEASED = replace(HOLD, status=ReservationStatus.RELEASED)
HOOK = WebhookEndpoint(
    id="12",
    url="https://example.com/webhooks/meterline",
    description="Emails about usage",
    event_types=[WebhookEventType.USAGE_THRESHOLD, WebhookEventType.USAGE_LIMIT_REACHED],
    status=EndpointStatus.ENABLED,
    disabled_reason=None,
    failing_since=None,
    secret=None,
    previous_secret_until=None,
    created_at="2026-03-01T09:30:00.000Z",
    updated_at="2026-03-01T09:30:00.000Z",
)
HOOK_WITH_SECRET = replace(HOOK, secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")  # noqa: S106 — signs nothing
HOOK_ROLLED = replace(HOOK_WITH_SECRET, previous_secret_until="2026-03-02T09:30:00.000Z")  # noqa: S106 — a date
PASSED_80 = UsageThreshold(
    user_id="ada",
    feature_id="api-calls",
    threshold=80,
    used=800,
    limit=1000,
    period_start="2026-04-05T10:00:00.000Z",
    period_end="2026-05-05T10:00:00.000Z",
)
SENT = WebhookDelivery(
    id="5230",
    endpoint_id="12",
    message_id="msg_5117",
    event_type=WebhookEventType.USAGE_THRESHOLD,
    user_id="ada",
    status=DeliveryStatus.DELIVERED,
    attempts=1,
    next_attempt_at=None,
    last_attempt_at="2026-04-19T08:11:30.020Z",
    last_status_code=204,
    last_error=None,
    created_at="2026-04-19T08:11:29.480Z",
    settled_at="2026-04-19T08:11:30.101Z",
    data=to_builtins(PASSED_80),
)
SENT_AGAIN = replace(
    SENT, status=DeliveryStatus.PENDING, attempts=0, next_attempt_at="2026-04-19T09:00:00.000Z", settled_at=None
)
TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VySWQiOiJhZGEifQ.c2ln"  # noqa: S105 — signs nothing
TERMS = {"id": "api-calls", "entitlement": {"limit": 1000, "resetPeriod": "MONTH", "overageEnabled": False}}


def _of(response: View, request: dict[str, Any] | None = None) -> Examples:
    return Examples({"Example": response}, {"Example": request} if request else {})


def _page(view: View) -> Examples:
    return _of(Page(data=[view], has_more=False))


EXAMPLES: Final[dict[str, Examples]] = {
    "createFeature": _of(
        API_CALLS,
        {
            "id": "api-calls",
            "name": "API calls",
            "type": "CONSUMABLE",
            "unitLabel": "API call",
            "unitLabelPlural": "API calls",
            "usageThresholds": [80, 100],
        },
    ),
    "feature": _of(API_CALLS),
    "features": _page(API_CALLS),
    "updateFeature": _of(API_CALLS, {"name": "API calls"}),
    "deleteFeature": _of(API_CALLS),
    "createPackage": _of(
        PRO_DRAFT, {"id": "pro-2027", "name": "Pro 2027", "features": [TERMS], "metadata": {"team": "blue"}}
    ),
    "package": _of(PRO),
    "packages": _page(PRO),
    "updatePackage": _of(PRO_DRAFT, {"name": "Pro 2027", "features": [TERMS]}),
    "deletePackage": _of(PRO_DRAFT),
    "publishPackage": _of(PRO),
    "archivePackage": _of(PRO_ARCHIVED),
    "duplicatePackage": _of(PRO_DRAFT, {"newId": "pro-2027", "name": "Pro 2027"}),
    "createUser": _of(
        ADA,
        {
            "id": "ada",
            "name": "Ada Lovelace",
            "email": "ada@example.com",
            "billingId": "cus_Qb3kZ0",
            "metadata": {"region": "eu-west"},
        },
    ),
    "user": _of(ADA),
    "users": _page(ADA),
    "updateUser": _of(ADA, {"email": "ada@example.com"}),
    "generateUserToken": _of(GeneratedUserToken(token=TOKEN)),
    "subscribe": Examples(
        {"Subscribed": Subscribed(data=[ADAS_PRO]), "On trial": Subscribed(data=[ADAS_TRIAL])},
        {
            "At once": {"userId": "ada", "packageIds": ["pro"]},
            "With a trial": {"userId": "ada", "packageIds": ["pro"], "trialDays": 14},
        },
    ),
    "subscription": _of(ADAS_PRO),
    "subscriptions": _page(ADAS_PRO),
    "cancelSubscription": _of(ADAS_PRO_ENDING, {"atPeriodEnd": True}),
    "changeSubscription": Examples(
        {"Changed": ADAS_MAX, "Will change": ADAS_PRO_CHANGING},
        {"Now": {"packageId": "max"}, "When the period ends": {"packageId": "max", "atPeriodEnd": True}},
    ),
    "recordUsage": Examples(
        {
            "Counted": RecordedUsage(recorded=True, reason=None, event_id=EVENT_ID, duplicate=False, consumption=USED),
            "Refused at the limit": RecordedUsage(
                recorded=False, reason=LIMIT_WOULD_BE_EXCEEDED, event_id=EVENT_ID, duplicate=False, consumption=USED_UP
            ),
        },
        {
            "One more": {"userId": "ada", "featureId": "api-calls", "idempotencyKey": "request-8817"},
            "Take five back": {"userId": "ada", "featureId": "api-calls", "delta": -5},
            "Set the total": {"userId": "ada", "featureId": "api-calls", "delta": 250, "action": "SET"},
        },
    ),
    "recordUsages": _of(
        RecordedUsages(
            recorded=True,
            first_refused=None,
            results=[
                UsageResult(
                    recorded=True, reason=None, event_id=EVENT_ID, duplicate=False, consumption=USED, error=None
                )
            ],
        ),
        {"events": [{"userId": "ada", "featureId": "api-calls", "delta": 5}], "allOrNothing": True},
    ),
    "revertUsage": _of(RecordedUsage(recorded=True, reason=None, event_id=EVENT_ID, duplicate=False, consumption=USED)),
    "usageEvent": _of(EVENT),
    "usageEvents": _page(EVENT),
    "usageSeries": _of(SERIES),
    "explain": _of(EXPLANATION),
    "reserveUsage": _of(
        ReservedUsage(
            reserved=True,
            reason=None,
            duplicate=False,
            reservation=HOLD,
            consumption=Consumption(used=250, budget=1000, overage_enabled=False, reserved=75),
        ),
        {"userId": "ada", "featureId": "api-calls", "delta": 75, "ttlSeconds": 120},
    ),
    "reservation": _of(HOLD),
    "commitReservation": _of(
        RecordedUsage(recorded=True, reason=None, event_id=EVENT_ID, duplicate=False, consumption=USED), {"delta": 60}
    ),
    "releaseReservation": _of(HOLD_RELEASED),
    "createWebhookEndpoint": _of(
        HOOK_WITH_SECRET,
        {
            "url": "https://example.com/webhooks/meterline",
            "eventTypes": ["usage.threshold", "usage.limit_reached"],
            "description": "Emails about usage",
        },
    ),
    "webhookEndpoint": _of(HOOK),
    "webhookEndpoints": _page(HOOK),
    "updateWebhookEndpoint": _of(HOOK, {"status": "ENABLED"}),
    "deleteWebhookEndpoint": _of(HOOK),
    "rollWebhookSecret": _of(HOOK_ROLLED),
    "sendTestWebhook": _of(
        replace(
            SENT_AGAIN,
            event_type=WebhookEventType.WEBHOOK_TEST,
            user_id=None,
            last_attempt_at=None,
            last_status_code=None,
            data={"endpointId": "12"},
        )
    ),
    "webhookDeliveries": _page(SENT),
    "redeliverWebhook": _of(SENT_AGAIN),
    "redeliverDeadWebhooks": _of(RedeliveredWebhooks(count=3)),
    "canUseFeature": _of(
        Entitlement(
            access=True,
            reason=ALLOWED_CONSUMABLE,
            consumption=USED,
            package_id="pro",
            period_start="2026-04-05T10:00:00.000Z",
            period_end="2026-05-05T10:00:00.000Z",
        )
    ),
    "showUsage": _of(
        ShowUsage(
            current=ConsumptionInPeriod(
                period_start="2026-04-05T10:00:00.000Z", period_end="2026-05-05T10:00:00.000Z", consumption=USED
            ),
            past=[
                ConsumptionInPeriod(
                    period_start="2026-03-05T10:00:00.000Z", period_end="2026-04-05T10:00:00.000Z", consumption=USED_UP
                )
            ],
        )
    ),
}
