"""Packages as callers see them, with all that belongs to them."""

from collections.abc import Sequence

from sqlmodel import Session

from app import models
from app.clock import to_wire
from app.contract.packages import EntitlementTerms, Package, PackageFeature, PackageFeatureTerms, PackagePrice
from app.domain.entitlements import FeatureType
from app.domain.money import display_amount
from app.queries.packages import Contents, contents_of

Held = tuple[models.PackageFeature, models.Feature]


def views_of(session: Session, tenant_id: int, rows: Sequence[models.Package]) -> list[Package]:
    """The packages, in the same order. Three statements, however many packages."""
    contents = contents_of(session, tenant_id, [row.key for row in rows])
    return [_package(row, contents) for row in rows]


def terms_of(held: Sequence[Held]) -> list[PackageFeatureTerms]:
    """A package's features as the terms that would make them again."""
    return [
        PackageFeatureTerms(
            id=feature.id,
            name=terms.name,
            entitlement=EntitlementTerms(
                limit=terms.usage_limit, reset_period=terms.reset_period, overage_enabled=terms.overage_enabled
            )
            if terms.reset_period
            else None,
        )
        for terms, feature in held
    ]


def _package(row: models.Package, contents: Contents) -> Package:
    key = row.key
    return Package(
        id=row.id,
        name=row.name if row.name is not None else row.id,
        is_addon=row.is_addon,
        status=row.status,
        updated_at=to_wire(row.updated_at),
        metadata=row.metadata_,
        base_package_ids=contents.base_ids[key],
        features=[_feature(terms, feature) for terms, feature in contents.features[key]],
        prices=[price for template in contents.templates[key] if (price := _price(template))],
    )


def _feature(terms: models.PackageFeature, feature: models.Feature) -> PackageFeature:
    own_name = feature.name if feature.name is not None else feature.id
    return PackageFeature(
        id=feature.id,
        name=terms.name if terms.name is not None else own_name,
        type=feature.type,
        limit=terms.usage_limit,
        reset_period=terms.reset_period,
        overage_enabled=terms.overage_enabled if feature.type is FeatureType.CONSUMABLE else None,
        unit_label=feature.unit_label,
        unit_label_plural=feature.unit_label_plural,
        metadata=feature.metadata_,
    )


def _price(template: models.BillingTemplate) -> PackagePrice | None:
    """None for what has no price yet, which no template on sale is."""
    if template.price_id is None or template.amount_minor is None or template.currency is None:
        return None
    return PackagePrice(
        id=template.price_id,
        provider=template.provider,
        amount=template.amount_minor,
        display_amount=display_amount(template.amount_minor, template.currency),
        currency=template.currency,
        interval=template.interval,
    )
