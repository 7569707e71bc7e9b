"""The provider's meters: one for each feature of a package whose overage has a price."""

from datetime import datetime

from sqlmodel import Session, col, select

from app.models import BillingMeter, Feature, Package

_PUT = """
INSERT INTO billing_meters (tenant_id, package_key, feature_key, event_name, created_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""
# What was written first stays: there is one meter of the name, so a second answer says the same.
_NOTE_MADE = """
UPDATE billing_meters SET meter_id = coalesce(meter_id, %s) WHERE tenant_id = %s AND package_key = %s AND feature_key = %s
RETURNING meter_id
"""

Metered = tuple[int, int, int]
"""(tenant id, package key, feature key)."""


def kept_meter(session: Session, metered: Metered, event_name: str, now: datetime) -> tuple[BillingMeter, str]:
    """The meter, under this event name if it is new, and what it is called by people."""
    session.connection().exec_driver_sql(_PUT, (*metered, event_name, now))
    tenant_id, package_key, feature_key = metered
    meter, package, feature = session.exec(
        select(BillingMeter, Package, Feature)
        .join(Package, col(Package.key) == col(BillingMeter.package_key))
        .join(Feature, col(Feature.key) == col(BillingMeter.feature_key))
        .where(
            BillingMeter.tenant_id == tenant_id,
            BillingMeter.package_key == package_key,
            BillingMeter.feature_key == feature_key,
            Package.tenant_id == tenant_id,
            Feature.tenant_id == tenant_id,
        )
    ).one()
    return meter, f"{package.name or package.id}: {feature.name or feature.id}"


def note_made(session: Session, metered: Metered, meter_id: str) -> str:
    """The provider has made it; its id."""
    found: str = session.connection().exec_driver_sql(_NOTE_MADE, (meter_id, *metered)).scalar_one()
    return found
