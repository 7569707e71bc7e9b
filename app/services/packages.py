"""Packages: made as drafts, published, sold, archived."""

from collections.abc import Collection

from msgspec import UNSET, UnsetType
from sqlmodel import Session

from app import clock, models
from app.contract.actors import Actor
from app.contract.packages import CreatePackage, DuplicatePackage, Package, UpdatePackage
from app.contract.shapes import Page, PageRequest
from app.db import transaction
from app.domain.subscribing import PackageStatus
from app.domain.values import check_id
from app.errors import InUseError, PackageNotFoundError, PackageStatusError
from app.queries import packages as queries
from app.services.changes import apply_changes, stored_metadata
from app.services.conflicts import already_exists
from app.services.package_contents import put_bases, put_features
from app.services.package_views import terms_of, views_of
from app.services.paging import key_after


def create_package(actor: Actor, command: CreatePackage) -> Package:
    """A new DRAFT.

    Raises:
        AlreadyExistsError: the id is taken.
        InvalidInputError: an unknown feature or base package, a BINARY feature with an entitlement, or base packages for
            what is not an add-on; it names the field.
    """
    with transaction() as session:
        row = _draft(actor, command.id, command.name, is_addon=bool(command.is_addon), metadata=command.metadata)
        _insert(session, row)
        put_features(session, row, command.features)
        put_bases(session, row, command.base_package_ids or [])
        return _view(session, row)


def duplicate_package(actor: Actor, package_id: str, command: DuplicatePackage) -> Package:
    """A new DRAFT with the same features and base packages. Prices stay with the original: they are its own at Stripe.

    Raises:
        PackageNotFoundError: there is none with `package_id`.
        AlreadyExistsError: the new id is taken.
        InvalidInputError: `package_id` is no id.
    """
    with transaction() as session:
        source = _locked(session, actor, package_id)
        contents = queries.contents_of(session, actor.tenant_id, [source.key])
        name = source.name if command.name is None else command.name
        row = _draft(actor, command.new_id, name, is_addon=source.is_addon, metadata=source.metadata_)
        _insert(session, row)
        put_features(session, row, terms_of(contents.features[source.key]))
        put_bases(session, row, contents.base_ids[source.key])
        return _view(session, row)


def update_package(actor: Actor, package_id: str, command: UpdatePackage) -> Package:
    """Absent fields stay. A DRAFT can be edited whole; later only metadata and an add-on's base packages can change.

    Raises:
        PackageNotFoundError: there is none with `package_id`.
        PackageStatusError: a field that can no longer change.
        InUseError: add-ons are restricted to it, so it cannot become one.
        InvalidInputError: as for `create_package`.
    """
    with transaction() as session:
        row = _locked(session, actor, package_id)
        if row.status is not PackageStatus.DRAFT:
            _refuse_edits_after_draft(row, command)
        if not isinstance(command.is_addon, UnsetType):
            _check_is_addon_can_change(session, row, is_addon=command.is_addon)
        apply_changes(row, command, "name", "is_addon")
        if not isinstance(command.features, UnsetType):
            put_features(session, row, command.features)
        if not isinstance(command.base_package_ids, UnsetType):
            put_bases(session, row, command.base_package_ids)
        elif not row.is_addon:
            put_bases(session, row, [])
        session.flush()
        return _view(session, row)


def publish_package(actor: Actor, package_id: str) -> Package:
    """DRAFT to PUBLISHED; a repeat changes nothing.

    Raises:
        PackageNotFoundError: there is none with `package_id`.
        PackageStatusError: it is ARCHIVED.
        InvalidInputError: `package_id` is no id.
    """
    return _move(actor, package_id, PackageStatus.DRAFT, PackageStatus.PUBLISHED)


def archive_package(actor: Actor, package_id: str) -> Package:
    """PUBLISHED to ARCHIVED; a repeat changes nothing. Existing subscriptions go on.

    Raises:
        PackageNotFoundError: there is none with `package_id`.
        PackageStatusError: it is a DRAFT.
        InvalidInputError: `package_id` is no id.
    """
    return _move(actor, package_id, PackageStatus.PUBLISHED, PackageStatus.ARCHIVED)


def delete_package(actor: Actor, package_id: str) -> Package:
    """Delete a DRAFT, and return what it was.

    Raises:
        PackageNotFoundError: there is none with `package_id`.
        InUseError: it was published, so subscriptions, present or past, may point to it; or some do, made at Stripe by its price;
            or add-ons are restricted to it.
        InvalidInputError: `package_id` is no id.
    """
    with transaction() as session:
        row = _locked(session, actor, package_id)
        if row.status is not PackageStatus.DRAFT:
            raise InUseError(f"Package {package_id} cannot be deleted: it is {row.status}. Archive it instead.")
        if queries.is_a_base(session, actor.tenant_id, row.key):
            # Without it, an add-on that goes with this base alone would go with every base.
            raise InUseError(f"Package {package_id} cannot be deleted: add-ons are restricted to it.")
        if queries.is_subscribed_to(session, actor.tenant_id, row.key):
            # Who pays its price at Stripe has it, published or not.
            raise InUseError(f"Package {package_id} cannot be deleted: somebody has subscribed to it at Stripe.")
        view = _view(session, row)
        session.delete(row)
    return view


def get_package(actor: Actor, package_id: str) -> Package:
    """Raises PackageNotFoundError, InvalidInputError if `package_id` is no id."""
    check_id("id", package_id)
    with transaction() as session:
        row = queries.package_by_id(session, actor.tenant_id, package_id)
        if row is None:
            raise PackageNotFoundError
        return _view(session, row)


def list_packages(actor: Actor, page: PageRequest, status: PackageStatus | None) -> Page[Package]:
    """Of one status, or of all (None); oldest first. Raises InvalidInputError if the page starts after an unknown id."""
    with transaction() as session:
        after = key_after(page.starting_after, lambda id_: _key_of(session, actor, id_))
        rows, has_more = queries.packages_page(session, actor.tenant_id, status, after, page.limit)
        return Page(data=views_of(session, actor.tenant_id, rows), has_more=has_more)


def packages_by_id(actor: Actor, package_ids: Collection[str]) -> dict[str, Package]:
    """Those that exist, by id. A fixed number of statements, for loaders."""
    with transaction() as session:
        rows = queries.packages_by_id(session, actor.tenant_id, package_ids)
        return {view.id: view for view in views_of(session, actor.tenant_id, rows)}


def packages_holding(actor: Actor, feature_ids: Collection[str]) -> dict[str, list[Package]]:
    """For each feature the packages that hold it, oldest first. A fixed number of statements, for loaders."""
    with transaction() as session:
        held = queries.package_keys_with_features(session, actor.tenant_id, feature_ids)
        rows = queries.packages_by_key(session, actor.tenant_id, {key for _, key in held})
        views = views_of(session, actor.tenant_id, rows)
    by_key = {row.key: view for row, view in zip(rows, views, strict=True)}
    holding: dict[str, list[Package]] = {feature_id: [] for feature_id in feature_ids}
    for feature_id, key in held:
        holding[feature_id].append(by_key[key])
    return holding


def _move(actor: Actor, package_id: str, before: PackageStatus, after: PackageStatus) -> Package:
    with transaction() as session:
        row = _locked(session, actor, package_id)
        if row.status not in (before, after):
            raise PackageStatusError(
                f"Package {package_id} is {row.status}: only a {before} package can become {after}"
            )
        if row.status is before:
            row.status, row.updated_at = after, clock.now()
            session.flush()
        return _view(session, row)


def _refuse_edits_after_draft(row: models.Package, command: UpdatePackage) -> None:
    for field, value in (("name", command.name), ("isAddon", command.is_addon), ("features", command.features)):
        if value is not UNSET:
            raise PackageStatusError(
                f"{field}: package {row.id} is {row.status} and its {field} can no longer change. Duplicate it instead."
            )


def _draft(actor: Actor, id_: str, name: str | None, *, is_addon: bool, metadata: object) -> models.Package:
    now = clock.now()
    return models.Package(
        tenant_id=actor.tenant_id,
        id=id_,
        name=name,
        is_addon=is_addon,
        status=PackageStatus.DRAFT,
        metadata_=stored_metadata(metadata),
        created_at=now,
        updated_at=now,
    )


def _insert(session: Session, row: models.Package) -> None:
    session.add(row)
    with already_exists(f"id: a package with the id {row.id!r} exists already"):
        session.flush()


def _check_is_addon_can_change(session: Session, row: models.Package, *, is_addon: bool) -> None:
    if is_addon and not row.is_addon and queries.is_a_base(session, row.tenant_id, row.key):
        raise InUseError(f"isAddon: package {row.id} has to stay a base package: add-ons are restricted to it.")


def _locked(session: Session, actor: Actor, package_id: str) -> models.Package:
    check_id("id", package_id)
    row = queries.locked_package(session, actor.tenant_id, package_id)
    if row is None:
        raise PackageNotFoundError
    return row


def _view(session: Session, row: models.Package) -> Package:
    return views_of(session, row.tenant_id, [row])[0]


def _key_of(session: Session, actor: Actor, package_id: str) -> int | None:
    row = queries.package_by_id(session, actor.tenant_id, package_id)
    return row.key if row else None
