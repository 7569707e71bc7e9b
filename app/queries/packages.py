"""Packages and what belongs to them."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, delete, or_, select

from app.domain.billing import BillingTemplateStatus
from app.domain.subscribing import PackageStatus, Sellable
from app.models import BillingTemplate, Feature, Package, PackageBase, PackageFeature, Subscription
from app.queries.pages import page_after


@dataclass(frozen=True, slots=True)
class Contents:
    """What belongs to packages, by the package's key. Features in the package's order, prices that are on sale oldest first."""

    features: dict[int, list[tuple[PackageFeature, Feature]]]
    base_ids: dict[int, list[str]]
    templates: dict[int, list[BillingTemplate]]


def package_by_id(session: Session, tenant_id: int, package_id: str) -> Package | None:
    return session.exec(select(Package).where(Package.tenant_id == tenant_id, Package.id == package_id)).one_or_none()


def locked_package(session: Session, tenant_id: int, package_id: str) -> Package | None:
    """The package's row, locked for a change: waits for subscriptions being made to it, and holds new ones up.

    So none follows the answer to an archive. The price: Postgres lets sharers pass a waiter, and a stream of subscriptions to
    one package without a gap can hold a change up until the lock timeout.
    """
    statement = select(Package).where(Package.tenant_id == tenant_id, Package.id == package_id)
    return session.exec(statement.with_for_update()).one_or_none()


def kept_packages(session: Session, tenant_id: int, package_ids: Collection[str]) -> dict[str, Package]:
    """By id, of those that exist; none can change or go until the transaction ends. Locked in key order."""
    statement = select(Package).where(Package.tenant_id == tenant_id, col(Package.id).in_(package_ids))
    found = session.exec(statement.order_by(col(Package.key)).with_for_update(read=True))
    return {package.id: package for package in found}


def packages_by_key(session: Session, tenant_id: int, package_keys: Collection[int]) -> Sequence[Package]:
    """Those packages, oldest first."""
    statement = select(Package).where(Package.tenant_id == tenant_id, col(Package.key).in_(package_keys))
    return session.exec(statement.order_by(col(Package.key))).all()


def packages_by_id(session: Session, tenant_id: int, package_ids: Collection[str]) -> Sequence[Package]:
    """Those packages that exist, oldest first."""
    statement = select(Package).where(Package.tenant_id == tenant_id, col(Package.id).in_(package_ids))
    return session.exec(statement.order_by(col(Package.key))).all()


def packages_page(
    session: Session, tenant_id: int, status: PackageStatus | None, after: int | None, limit: int
) -> tuple[list[Package], bool]:
    """Of one status, or of all."""
    statement = select(Package).where(Package.tenant_id == tenant_id)
    if status is not None:
        statement = statement.where(Package.status == status)
    return page_after(session, statement, col(Package.key), after, limit)


def package_keys_with_features(
    session: Session, tenant_id: int, feature_ids: Collection[str]
) -> Sequence[tuple[str, int]]:
    """(feature id, package key) of every package that holds one of the features, oldest package first."""
    return session.exec(
        select(Feature.id, PackageFeature.package_key)
        .join(
            PackageFeature,
            (col(PackageFeature.tenant_id) == col(Feature.tenant_id))
            & (col(PackageFeature.feature_key) == col(Feature.key)),
        )
        .where(Feature.tenant_id == tenant_id, col(Feature.id).in_(feature_ids))
        .order_by(col(PackageFeature.package_key))
    ).all()


def contents_of(session: Session, tenant_id: int, package_keys: Collection[int]) -> Contents:
    """Three statements, however many packages."""
    contents = Contents(defaultdict(list), defaultdict(list), defaultdict(list))
    held = session.exec(
        select(PackageFeature, Feature)
        .join(
            Feature,
            (col(Feature.tenant_id) == col(PackageFeature.tenant_id))
            & (col(Feature.key) == col(PackageFeature.feature_key)),
        )
        .where(PackageFeature.tenant_id == tenant_id, col(PackageFeature.package_key).in_(package_keys))
        .order_by(col(PackageFeature.package_key), col(PackageFeature.position))
    )
    for terms, feature in held:
        contents.features[terms.package_key].append((terms, feature))
    for addon_key, base_id in _bases(session, tenant_id, package_keys):
        contents.base_ids[addon_key].append(base_id)
    for template in session.exec(
        select(BillingTemplate)
        .where(
            BillingTemplate.tenant_id == tenant_id,
            col(BillingTemplate.package_key).in_(package_keys),
            BillingTemplate.status == BillingTemplateStatus.ACTIVE,
            # What overage costs is no price that anybody can buy the package for.
            col(BillingTemplate.metered_feature_key).is_(None),
        )
        .order_by(col(BillingTemplate.created_at), col(BillingTemplate.id))
    ):
        contents.templates[template.package_key].append(template)
    return contents


def sellables(session: Session, tenant_id: int, packages: Sequence[Package]) -> list[Sellable]:
    """The packages as the subscribe rules see them, in the same order."""
    allowed: dict[int, set[str]] = defaultdict(set)
    for addon_key, base_id in _bases(session, tenant_id, [package.key for package in packages]):
        allowed[addon_key].add(base_id)
    return [
        Sellable(package.id, package.status, package.is_addon, frozenset(allowed[package.key])) for package in packages
    ]


def is_a_base(session: Session, tenant_id: int, package_key: int) -> bool:
    """Whether any add-on is restricted to it."""
    statement = select(PackageBase.addon_key).where(
        PackageBase.tenant_id == tenant_id, PackageBase.base_key == package_key
    )
    return session.exec(statement.limit(1)).first() is not None


def is_subscribed_to(session: Session, tenant_id: int, package_key: int) -> bool:
    """Whether any subscription is, was or will be to it, so far as our rows point to it."""
    statement = select(Subscription.id).where(
        Subscription.tenant_id == tenant_id,
        or_(Subscription.package_key == package_key, Subscription.next_package_key == package_key),
    )
    return session.exec(statement.limit(1)).first() is not None


def clear_features(session: Session, package: Package) -> None:
    """Take all features out of a package. Under its lock, or of a package that nobody else can see yet."""
    session.exec(
        delete(PackageFeature).where(
            col(PackageFeature.tenant_id) == package.tenant_id, col(PackageFeature.package_key) == package.key
        )
    )


def clear_bases(session: Session, addon: Package) -> None:
    """Lift the restriction of an add-on to certain bases. Under its lock, or of one that nobody else can see yet."""
    session.exec(
        delete(PackageBase).where(
            col(PackageBase.tenant_id) == addon.tenant_id, col(PackageBase.addon_key) == addon.key
        )
    )


def _bases(session: Session, tenant_id: int, addon_keys: Collection[int]) -> Sequence[tuple[int, str]]:
    base = aliased(Package)
    return session.exec(
        select(PackageBase.addon_key, base.id)
        .join(base, (col(base.tenant_id) == col(PackageBase.tenant_id)) & (col(base.key) == col(PackageBase.base_key)))
        .where(PackageBase.tenant_id == tenant_id, col(PackageBase.addon_key).in_(addon_keys))
        .order_by(col(PackageBase.base_key))
    ).all()
