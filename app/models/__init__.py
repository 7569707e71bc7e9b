"""The tables. Importing this package declares them all, which is what migrations compare with the database."""

from app.models.billing import BillingTemplate, CheckoutLink
from app.models.features import Feature
from app.models.jobs import BooksCheck, JobFault, JobRun, JobTurn
from app.models.overage import BillingMeter, MeterCursor, MeteredItem, MeterReport
from app.models.packages import Package, PackageBase, PackageFeature
from app.models.portal_links import PortalLink
from app.models.reservations import Reservation
from app.models.stripe import StripeCheck, StripeCursor, StripeCustomer, StripeEvent, StripeObject
from app.models.subscription_requests import SubscriptionRequest
from app.models.subscriptions import PastPackage, Subscription
from app.models.tenants import ApiKey, Tenant, UserTokenSecret
from app.models.usage import Consumption, IdempotencyKey, UsageEvent
from app.models.usage_periods import UsagePeriod
from app.models.users import User
from app.models.webhooks import WebhookDelivery, WebhookEndpoint, WebhookMessage

__all__ = [
    "ApiKey",
    "BillingMeter",
    "BillingTemplate",
    "BooksCheck",
    "CheckoutLink",
    "Consumption",
    "Feature",
    "IdempotencyKey",
    "JobFault",
    "JobRun",
    "JobTurn",
    "MeterCursor",
    "MeterReport",
    "MeteredItem",
    "Package",
    "PackageBase",
    "PackageFeature",
    "PastPackage",
    "PortalLink",
    "Reservation",
    "StripeCheck",
    "StripeCursor",
    "StripeCustomer",
    "StripeEvent",
    "StripeObject",
    "Subscription",
    "SubscriptionRequest",
    "Tenant",
    "UsageEvent",
    "UsagePeriod",
    "User",
    "UserTokenSecret",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookMessage",
]
