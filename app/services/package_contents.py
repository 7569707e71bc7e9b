"""What a package holds and what an add-on goes with: put in place whole, within the caller's transaction."""

from collections.abc import Sequence

from sqlmodel import Session

from app import models
from app.contract.packages import PackageFeatureTerms
from app.domain.entitlements import FeatureType
from app.domain.periods import ResetPeriod
from app.errors import InvalidInputError
from app.queries import features as feature_queries
from app.queries import packages as queries


def put_features(session: Session, row: models.Package, features: Sequence[PackageFeatureTerms]) -> None:
    """Make these the package's features, in this order. The features are kept from being deleted meanwhile.

    Raises:
        InvalidInputError: an unknown feature, or a BINARY one with an entitlement; it names the field.
    """
    known = feature_queries.kept_features(session, row.tenant_id, {feature.id for feature in features})
    queries.clear_features(session, row)
    for position, terms in enumerate(features):
        feature = known.get(terms.id)
        if feature is None:
            raise InvalidInputError(f"features[{position}].id", "Feature Id not found for app")
        if feature.type is FeatureType.BINARY and terms.entitlement is not None:
            raise InvalidInputError(
                f"features[{position}].entitlement",
                f"feature {terms.id} is BINARY: it is included or not, without a limit",
            )
        session.add(_package_feature(row, position, terms, feature))
    session.flush()


def _package_feature(
    row: models.Package, position: int, terms: PackageFeatureTerms, feature: models.Feature
) -> models.PackageFeature:
    given = terms.entitlement
    consumable = feature.type is FeatureType.CONSUMABLE
    return models.PackageFeature(
        tenant_id=row.tenant_id,
        package_key=row.key,
        feature_key=feature.key,
        position=position,
        name=terms.name,
        usage_limit=given.limit if given else None,
        # Without an entitlement a consumable feature is unlimited, and is counted by the month.
        reset_period=(given.reset_period if given else ResetPeriod.MONTH) if consumable else None,
        overage_enabled=bool(given and given.overage_enabled),
    )


def put_bases(session: Session, row: models.Package, base_ids: Sequence[str]) -> None:
    """Make these the base packages that the add-on may go with; none means any.

    Raises:
        InvalidInputError: the package is no add-on, or one of them is unknown or an add-on; it names the field.
    """
    if base_ids and not row.is_addon:
        raise InvalidInputError("basePackageIds", "only an add-on can be restricted to base packages")
    queries.clear_bases(session, row)
    # Kept, so that none of them can become an add-on or go before this is committed.
    known = queries.kept_packages(session, row.tenant_id, base_ids)
    for position, base_id in enumerate(base_ids):
        base = known.get(base_id)
        if base is None:
            raise InvalidInputError(f"basePackageIds[{position}]", "Package Id not found for app")
        if base.is_addon:
            raise InvalidInputError(
                f"basePackageIds[{position}]", f"package {base_id} is an add-on, not a base package"
            )
        session.add(models.PackageBase(tenant_id=row.tenant_id, addon_key=row.key, base_key=base.key))
    session.flush()
