"""Features."""

from collections.abc import Collection

from sqlmodel import Session, col, select

from app.models import Consumption, Feature, PackageFeature
from app.queries.pages import page_after


def feature_by_id(session: Session, tenant_id: int, feature_id: str) -> Feature | None:
    return session.exec(select(Feature).where(Feature.tenant_id == tenant_id, Feature.id == feature_id)).one_or_none()


def feature_ids(session: Session, tenant_id: int, feature_keys: Collection[int]) -> dict[int, str]:
    """By key."""
    statement = select(Feature.key, Feature.id).where(
        Feature.tenant_id == tenant_id, col(Feature.key).in_(feature_keys)
    )
    return dict(session.exec(statement).all())


def kept_features(session: Session, tenant_id: int, feature_ids: Collection[str]) -> dict[str, Feature]:
    """By id, of those that exist; none can be deleted until the transaction ends. Locked in key order."""
    statement = select(Feature).where(Feature.tenant_id == tenant_id, col(Feature.id).in_(feature_ids))
    found = session.exec(statement.order_by(col(Feature.key)).with_for_update(read=True, key_share=True))
    return {feature.id: feature for feature in found}


def locked_feature(session: Session, tenant_id: int, feature_id: str, *, for_delete: bool = False) -> Feature | None:
    """The feature's row, locked for a change; `for_delete` also waits for those who count on its being there."""
    statement = select(Feature).where(Feature.tenant_id == tenant_id, Feature.id == feature_id)
    return session.exec(statement.with_for_update(key_share=not for_delete)).one_or_none()


def features_page(session: Session, tenant_id: int, after: int | None, limit: int) -> tuple[list[Feature], bool]:
    return page_after(session, select(Feature).where(Feature.tenant_id == tenant_id), col(Feature.key), after, limit)


def is_in_a_package(session: Session, tenant_id: int, feature_key: int) -> bool:
    """Whether any package holds it, whatever the package's status."""
    statement = select(PackageFeature.package_key).where(
        PackageFeature.tenant_id == tenant_id, PackageFeature.feature_key == feature_key
    )
    return session.exec(statement.limit(1)).first() is not None


def is_used(session: Session, tenant_id: int, feature_key: int) -> bool:
    """Whether anybody ever reported usage of it, refused usage included: each such event has a counter's row."""
    statement = select(Consumption.user_key).where(
        Consumption.tenant_id == tenant_id, Consumption.feature_key == feature_key
    )
    return session.exec(statement.limit(1)).first() is not None
