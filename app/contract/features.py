"""Features: what a package can hold."""

from typing import Any

from msgspec import UNSET, UnsetType

from app.contract.shapes import Command, Metadata, View
from app.domain.entitlements import FeatureType
from app.domain.thresholds import check_thresholds
from app.domain.values import check_id, check_metadata, check_optional_text


class CreateFeature(Command):
    id: str
    type: FeatureType
    name: str | None = None
    unit_label: str | None = None
    unit_label_plural: str | None = None
    usage_thresholds: list[int] | None = None
    metadata: Metadata = None

    def __post_init__(self) -> None:
        check_id("id", self.id)
        _check_thresholds(self.usage_thresholds)
        _check_labels(self.name, self.unit_label, self.unit_label_plural, self.metadata)


class UpdateFeature(Command):
    """Absent fields stay as they are, null ones are cleared: thresholds go back to the default. The type can never change."""

    name: str | UnsetType | None = UNSET
    unit_label: str | UnsetType | None = UNSET
    unit_label_plural: str | UnsetType | None = UNSET
    usage_thresholds: list[int] | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET

    def __post_init__(self) -> None:
        _check_thresholds(self.usage_thresholds)
        _check_labels(self.name, self.unit_label, self.unit_label_plural, self.metadata)


def _check_labels(name: object, unit_label: object, unit_label_plural: object, metadata: Any) -> None:
    check_optional_text("name", name)
    check_optional_text("unitLabel", unit_label)
    check_optional_text("unitLabelPlural", unit_label_plural)
    if metadata is not UNSET:
        check_metadata("metadata", metadata)


def _check_thresholds(percents: list[int] | UnsetType | None) -> None:
    if isinstance(percents, list):
        check_thresholds("usageThresholds", percents)


class Feature(View):
    id: str
    name: str
    type: FeatureType
    unit_label: str | None
    unit_label_plural: str | None
    usage_thresholds: list[int]
    metadata: Metadata
