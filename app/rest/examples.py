"""One example for every request and response of the API, as the OpenAPI document shows them.

They tell one story (`example_story`). The responses are built from the views themselves, so an example that no longer fits its
type does not even start; a test holds the requests against the commands.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace

from app.contract.billing import PortalLink
from app.contract.reservations import ReservedUsage
from app.contract.shapes import Page, View
from app.contract.usage import (
    Consumption,
    ConsumptionInPeriod,
    Entitlement,
    RecordedUsage,
    RecordedUsages,
    ShowUsage,
    UsageResult,
)
from app.contract.users import GeneratedUserToken
from app.contract.webhooks import RedeliveredWebhooks
from app.domain.billing import BillingTemplateStatus
from app.domain.entitlements import ALLOWED_CONSUMABLE
from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED
from app.domain.webhooks import WebhookEventType
from app.rest.example_explanation import EXPLANATION
from app.rest.example_story import (
    ADA,
    ADAS_LINK,
    ADAS_LINK_TO_COME,
    ADAS_MAX,
    ADAS_MAX_ON_ITS_WAY,
    ADAS_PRO,
    ADAS_PRO_CHANGING,
    ADAS_PRO_ENDING,
    ADAS_PRO_ON_ITS_WAY,
    ADAS_TRIAL,
    API_CALLS,
    EVENT,
    EVENT_ID,
    HOLD,
    HOLD_RELEASED,
    HOOK,
    HOOK_ROLLED,
    HOOK_WITH_SECRET,
    PRO,
    PRO_ARCHIVED,
    PRO_DRAFT,
    PRO_MONTHLY,
    PRO_MONTHLY_TO_COME,
    SENT,
    SENT_AGAIN,
    SERIES,
    TERMS,
    TOKEN,
    USED,
    USED_UP,
)
from app.rest.subscriptions import Subscribed


@dataclass(frozen=True, slots=True)
class Examples:
    """Of one operation, each by a short title. `accepted`: the answers while it is still being done, which have status 202."""

    responses: dict[str, View]
    requests: dict[str, dict[str, Any]]
    accepted: dict[str, View] = field(default_factory=dict)


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
    "cancelSubscription": Examples(
        {"Example": ADAS_PRO_ENDING}, {"Example": {"atPeriodEnd": True}}, {"Stripe is asked": ADAS_PRO_ON_ITS_WAY}
    ),
    "changeSubscription": Examples(
        {"Changed": ADAS_MAX, "Will change": ADAS_PRO_CHANGING},
        {"Now": {"packageId": "max"}, "When the period ends": {"packageId": "max", "atPeriodEnd": True}},
        {"Stripe is asked": ADAS_MAX_ON_ITS_WAY},
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
    "createBillingTemplate": Examples(
        {"Is being made": PRO_MONTHLY_TO_COME},
        {
            "A new price": {
                "id": "pro-50gbp-month",
                "packageId": "pro",
                "amount": 5000,
                "currency": "gbp",
                "interval": "month",
            },
            "A price that exists": {"id": "pro-50gbp-month", "packageId": "pro", "priceId": "price_1P3xQ2"},
            "What overage costs": {
                "id": "pro-calls-over",
                "packageId": "pro",
                "meteredFeatureId": "api-calls",
                "amount": 2,
                "currency": "gbp",
                "interval": "month",
            },
        },
    ),
    "billingTemplate": _of(PRO_MONTHLY),
    "billingTemplates": _page(PRO_MONTHLY),
    "updateBillingTemplate": _of(replace(PRO_MONTHLY, status=BillingTemplateStatus.INACTIVE), {"active": False}),
    "generateSubscriptionLink": Examples(
        {"Somebody can pay": ADAS_LINK},
        {
            "For a user": {
                "userId": "ada",
                "templateId": "pro-50gbp-month",
                "successUrl": "https://example.com/thanks?session={CHECKOUT_SESSION_ID}",
                "cancelUrl": "https://example.com/prices",
            },
            "For anybody": {
                "templateId": "pro-50gbp-month",
                "successUrl": "https://example.com/thanks",
                "cancelUrl": "https://example.com/prices",
            },
        },
        {"Is being made": ADAS_LINK_TO_COME},
    ),
    "subscriptionLink": _of(ADAS_LINK),
    "generatePortalLink": _of(
        PortalLink(url="https://billing.stripe.com/p/session/test_YWNjdF8x"),
        {"returnUrl": "https://example.com/account"},
    ),
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
