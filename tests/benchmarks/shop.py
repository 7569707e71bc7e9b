"""A tenant with many subscribed users, made in seconds: what there is one of by the services, what there are many of in SQL."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from app.contract.features import CreateFeature
from app.contract.packages import CreatePackage, EntitlementTerms, PackageFeatureTerms
from app.contract.usage import RecordUsage
from app.db import transaction
from app.domain.entitlements import FeatureType
from app.domain.periods import ResetPeriod
from app.errors import MeterlineError
from app.services import features, packages, usage
from tests.tenants import Tenant, new_tenant

FEATURE: Final = "api-calls"
FEATURES: Final = (FEATURE, "exports", "messages")
LIMIT: Final = 1_000_000_000  # there is a limit to check, and it is never reached
MONTHS: Final = 24
_BATCH = 500

_USERS = """
WITH made AS (
  INSERT INTO users (tenant_id, id, created_at, updated_at)
  SELECT :tenant_id, 'u' || n, now(), now() FROM generate_series(0, :users - 1) AS n ORDER BY n
  RETURNING tenant_id, key
)
INSERT INTO subscriptions (tenant_id, user_key, package_key, status, started_at, created_at, updated_at)
SELECT made.tenant_id, made.key, packages.key, 'ACTIVE', :started_at, now(), now()
FROM made JOIN packages USING (tenant_id)
"""

_KEYS = """
SELECT (SELECT min(key) FROM users WHERE tenant_id = :tenant_id),
       (SELECT array_agg(key ORDER BY id) FROM features WHERE tenant_id = :tenant_id)
"""

# A week past a reset, so that no period ends during the run.
_STARTED_AT = f"date_trunc('day', now()) - interval '{MONTHS} months 7 days'"


@dataclass(frozen=True, slots=True)
class Shop:
    """`users` users, u0, u1, …, with consecutive keys from `first_user_key`; all subscribe to a package with all FEATURES."""

    tenant: Tenant
    users: int
    first_user_key: int
    feature_keys: tuple[int, ...]

    @property
    def tenant_id(self) -> int:
        return self.tenant.actor.tenant_id


def open_shop(users: int) -> Shop:
    tenant = new_tenant()
    terms = EntitlementTerms(reset_period=ResetPeriod.MONTH, limit=LIMIT)
    for feature in FEATURES:
        features.create_feature(tenant.actor, CreateFeature(id=feature, type=FeatureType.CONSUMABLE))
    pro = CreatePackage(id="pro", features=[PackageFeatureTerms(id=feature, entitlement=terms) for feature in FEATURES])
    packages.create_package(tenant.actor, pro)
    packages.publish_package(tenant.actor, "pro")
    with transaction() as session:
        tenant_id = {"tenant_id": tenant.actor.tenant_id}
        session.connection().execute(text(_USERS.replace(":started_at", _STARTED_AT)), tenant_id | {"users": users})
        first_user_key, feature_keys = session.connection().execute(text(_KEYS), tenant_id).one()
    return Shop(tenant, users, first_user_key, tuple(feature_keys))


def use_once(shop: Shop) -> None:
    """Every user uses FEATURE once: what is counted afterwards finds its counter, as it does on any server that has run a day."""
    for first in range(0, shop.users, _BATCH):
        users = range(first, min(first + _BATCH, shop.users))
        answers = usage.record_many([(shop.tenant.actor, RecordUsage(f"u{user}", FEATURE)) for user in users])
        for answer in answers:
            if isinstance(answer, MeterlineError):
                raise answer
