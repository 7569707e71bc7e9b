"""What overage costs, by the templates that are on sale."""

from collections.abc import Collection

from sqlmodel import Session, and_, col, select

from app.domain.billing import BillingTemplateStatus
from app.domain.overage_prices import OveragePrice
from app.models import BillingMeter, BillingTemplate


def overage_prices(session: Session, tenant_id: int, package_keys: Collection[int]) -> list[OveragePrice]:
    """Prices on sale for the overage of these packages, oldest first. Nothing that is paid once."""
    found = session.exec(
        select(BillingTemplate, BillingMeter)
        .join(
            BillingMeter,
            and_(
                col(BillingMeter.tenant_id) == col(BillingTemplate.tenant_id),
                col(BillingMeter.package_key) == col(BillingTemplate.package_key),
                col(BillingMeter.feature_key) == col(BillingTemplate.metered_feature_key),
            ),
            isouter=True,
        )
        .where(
            BillingTemplate.tenant_id == tenant_id,
            col(BillingTemplate.package_key).in_(package_keys),
            BillingTemplate.status == BillingTemplateStatus.ACTIVE,
            col(BillingTemplate.metered_feature_key).is_not(None),
        )
        .order_by(col(BillingTemplate.key))
    )
    return [
        OveragePrice(
            package_key=template.package_key,
            feature_key=template.metered_feature_key,
            price_id=template.price_id,
            meter_id=meter.meter_id if meter else None,
            currency=template.currency,
            interval=template.interval,
            created_at=template.created_at,
        )
        for template, meter in found
        if template.metered_feature_key and template.price_id and template.currency and template.interval
    ]
