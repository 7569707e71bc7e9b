"""What the examples of the API are about: Ada, who has Pro with 1,000 API calls a month, as views of her story's moments."""

from msgspec import to_builtins
from msgspec.structs import replace

from app.contract.billing import BillingTemplate, SubscriptionLink
from app.contract.features import Feature
from app.contract.packages import Package, PackageFeature, PackagePrice
from app.contract.reservations import Reservation
from app.contract.subscriptions import PendingChange, Subscription, SubscriptionRequest
from app.contract.usage import (
    Consumption,
)
from app.contract.usage_history import UsageEvent, UsagePoint, UsageSeries
from app.contract.users import User
from app.contract.webhook_events import UsageThreshold
from app.contract.webhooks import WebhookDelivery, WebhookEndpoint
from app.domain.billing import BillingTemplateStatus, SubscriptionLinkStatus
from app.domain.entitlements import FeatureType
from app.domain.metering import RecordUsageAction
from app.domain.periods import ResetPeriod
from app.domain.reservations import ReservationStatus
from app.domain.subscribing import PackageStatus, SubscriptionStatus
from app.domain.subscription_requests import RequestKind, RequestStatus
from app.domain.usage_history import SeriesInterval
from app.domain.webhooks import DeliveryStatus, EndpointStatus, WebhookEventType

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
    grace_ends_at=None,
    metadata={},
    package=PRO,
    pending_change=None,
    last_request=None,
)
ADAS_PRO_ENDING = Subscription(
    id="1042",
    user_id="ada",
    status=SubscriptionStatus.ACTIVE,
    started_at="2026-03-05T10:00:00.000Z",
    ends_at="2026-05-05T10:00:00.000Z",
    trial_ends_at=None,
    grace_ends_at=None,
    metadata={},
    package=PRO,
    pending_change=None,
    last_request=None,
)
ADAS_TRIAL = replace(ADAS_PRO, status=SubscriptionStatus.TRIALING, trial_ends_at="2026-03-19T10:00:00.000Z")
ADAS_PRO_CHANGING = replace(ADAS_PRO, pending_change=PendingChange(package=MAX, at="2026-05-05T10:00:00.000Z"))
ADAS_MAX = replace(ADAS_PRO, package=MAX)
ADAS_PRO_ON_ITS_WAY = replace(
    ADAS_PRO,
    last_request=SubscriptionRequest(
        kind=RequestKind.CANCEL,
        status=RequestStatus.PENDING,
        at_period_end=True,
        package_id=None,
        error=None,
        asked_at="2026-04-07T12:00:00.000Z",
    ),
)
ADAS_MAX_ON_ITS_WAY = replace(
    ADAS_PRO,
    last_request=SubscriptionRequest(
        kind=RequestKind.CHANGE,
        status=RequestStatus.PENDING,
        at_period_end=False,
        package_id="max",
        error=None,
        asked_at="2026-04-07T12:00:00.000Z",
    ),
)
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
PRO_MONTHLY = BillingTemplate(
    id="pro-50gbp-month",
    package_id="pro",
    metered_feature_id=None,
    provider="STRIPE",
    status=BillingTemplateStatus.ACTIVE,
    error=None,
    price_id="price_1P3xQ2",
    amount=5000,
    display_amount="50.00",
    currency="gbp",
    interval="month",
    created_at="2026-03-01T09:30:00.000Z",
)
PRO_MONTHLY_TO_COME = replace(PRO_MONTHLY, status=BillingTemplateStatus.PENDING, price_id=None)
ADAS_LINK = SubscriptionLink(
    id="5f0c7a52-8f0b-4b9e-9d55-0d6c7e6f4a11",
    url="https://checkout.stripe.com/c/pay/cs_test_a1B2c3",
    status=SubscriptionLinkStatus.OPEN,
    error=None,
    user_id="ada",
    template_id="pro-50gbp-month",
    created_at="2026-03-05T09:55:00.000Z",
    expires_at="2026-03-06T09:55:00.000Z",
)
ADAS_LINK_TO_COME = replace(ADAS_LINK, url=None, status=SubscriptionLinkStatus.PENDING, expires_at=None)
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
