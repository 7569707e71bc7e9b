"""The tables. Importing this package declares them all, which is what migrations compare with the database."""

from app.models.features import Feature
from app.models.packages import BillingTemplate, Package, PackageBase, PackageFeature
from app.models.reservations import Reservation
from app.models.subscriptions import Subscription
from app.models.tenants import ApiKey, Tenant, UserTokenSecret
from app.models.usage import Consumption, IdempotencyKey, UsageEvent
from app.models.users import User

__all__ = [
    "ApiKey",
    "BillingTemplate",
    "Consumption",
    "Feature",
    "IdempotencyKey",
    "Package",
    "PackageBase",
    "PackageFeature",
    "Reservation",
    "Subscription",
    "Tenant",
    "UsageEvent",
    "User",
    "UserTokenSecret",
]
