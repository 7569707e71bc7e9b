"""Features: create, change, delete, read."""

from msgspec import UNSET
from sqlmodel import Session

from app import clock, models
from app.contract.actors import Actor
from app.contract.features import CreateFeature, Feature, UpdateFeature
from app.contract.shapes import Page, PageRequest
from app.db import transaction
from app.domain.entitlements import FeatureType
from app.domain.thresholds import DEFAULT_THRESHOLDS
from app.domain.values import check_id
from app.errors import FeatureNotFoundError, InUseError, InvalidInputError
from app.queries import features as queries
from app.services.changes import apply_changes, stored_metadata
from app.services.conflicts import already_exists
from app.services.paging import key_after


def create_feature(actor: Actor, command: CreateFeature) -> Feature:
    """Raises AlreadyExistsError if the id is taken, InvalidInputError for unit labels or thresholds on a BINARY feature."""
    _check_counted(command.type, command)
    now = clock.now()
    row = models.Feature(
        tenant_id=actor.tenant_id,
        id=command.id,
        name=command.name,
        type=command.type,
        unit_label=command.unit_label,
        unit_label_plural=command.unit_label_plural,
        usage_thresholds=_stored_thresholds(command.usage_thresholds),
        metadata_=stored_metadata(command.metadata),
        created_at=now,
        updated_at=now,
    )
    with already_exists(f"id: a feature with the id {command.id!r} exists already"), transaction() as session:
        session.add(row)
    return _view(row)


def update_feature(actor: Actor, feature_id: str, command: UpdateFeature) -> Feature:
    """Absent fields stay.

    Raises:
        FeatureNotFoundError: there is none with this id.
        InvalidInputError: `feature_id` is no id, or unit labels or thresholds are given for a BINARY feature.
    """
    check_id("id", feature_id)
    with transaction() as session:
        row = queries.locked_feature(session, actor.tenant_id, feature_id)
        if row is None:
            raise FeatureNotFoundError
        _check_counted(row.type, command)
        apply_changes(row, command, "name", "unit_label", "unit_label_plural")
        if command.usage_thresholds is not UNSET:
            row.usage_thresholds = _stored_thresholds(command.usage_thresholds)
    return _view(row)


def delete_feature(actor: Actor, feature_id: str) -> Feature:
    """Delete a feature that nothing uses, and return what it was.

    Raises:
        FeatureNotFoundError: there is none with this id.
        InUseError: a package holds it, or usage of it was reported.
        InvalidInputError: `feature_id` is no id.
    """
    check_id("id", feature_id)
    with transaction() as session:
        row = queries.locked_feature(session, actor.tenant_id, feature_id, for_delete=True)
        if row is None:
            raise FeatureNotFoundError
        if queries.is_in_a_package(session, actor.tenant_id, row.key):
            raise InUseError(f"Feature {feature_id} cannot be deleted: a package holds it.")
        if queries.is_used(session, actor.tenant_id, row.key):
            raise InUseError(f"Feature {feature_id} cannot be deleted: usage of it was reported.")
        view = _view(row)
        session.delete(row)
    return view


def get_feature(actor: Actor, feature_id: str) -> Feature:
    """Raises FeatureNotFoundError, InvalidInputError if `feature_id` is no id."""
    check_id("id", feature_id)
    with transaction() as session:
        row = queries.feature_by_id(session, actor.tenant_id, feature_id)
        if row is None:
            raise FeatureNotFoundError
        return _view(row)


def list_features(actor: Actor, page: PageRequest) -> Page[Feature]:
    """Oldest first. Raises InvalidInputError if the page starts after an unknown id."""
    with transaction() as session:
        after = key_after(page.starting_after, lambda id_: _key_of(session, actor, id_))
        rows, has_more = queries.features_page(session, actor.tenant_id, after, page.limit)
        return Page(data=[_view(row) for row in rows], has_more=has_more)


def _view(row: models.Feature) -> Feature:
    return Feature(
        id=row.id,
        name=row.name if row.name is not None else row.id,
        type=row.type,
        unit_label=row.unit_label,
        unit_label_plural=row.unit_label_plural,
        usage_thresholds=row.usage_thresholds if row.type is FeatureType.CONSUMABLE else [],
        metadata=row.metadata_,
    )


def _key_of(session: Session, actor: Actor, feature_id: str) -> int | None:
    row = queries.feature_by_id(session, actor.tenant_id, feature_id)
    return row.key if row else None


def _stored_thresholds(given: list[int] | None) -> list[int]:
    return list(DEFAULT_THRESHOLDS) if given is None else given


def _check_counted(feature_type: FeatureType, command: CreateFeature | UpdateFeature) -> None:
    if feature_type is not FeatureType.BINARY:
        return
    for field, label in (("unitLabel", command.unit_label), ("unitLabelPlural", command.unit_label_plural)):
        if isinstance(label, str):
            raise InvalidInputError(field, "a BINARY feature is not counted, so it has no units")
    if isinstance(command.usage_thresholds, list) and command.usage_thresholds:
        raise InvalidInputError("usageThresholds", "a BINARY feature is not counted, so it has no thresholds")
