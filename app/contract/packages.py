"""Packages: what is sold. Base packages and add-ons, the features they hold and what they cost."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from app.contract.shapes import Command, Metadata, Timestamp, View
from app.domain.entitlements import FeatureType
from app.domain.periods import ResetPeriod
from app.domain.subscribing import PackageStatus
from app.domain.values import check_id, check_metadata, check_optional_text, check_range
from app.errors import InvalidInputError

FEATURES_PER_PACKAGE_MAX = 200
BASES_PER_ADDON_MAX = 200


class EntitlementTerms(Command):
    """How much of a consumable feature a package gives. `limit` absent is unlimited."""

    reset_period: ResetPeriod
    limit: int | None = None
    overage_enabled: bool | None = False


class PackageFeatureTerms(Command):
    """One feature of a package, by its id; `name` is what it is called in this package, by default the feature's own."""

    id: str
    name: str | None = None
    entitlement: EntitlementTerms | None = None


class CreatePackage(Command):
    """`base_package_ids` restricts an add-on to those base packages; empty means any."""

    id: str
    features: list[PackageFeatureTerms]
    name: str | None = None
    is_addon: bool | None = False
    base_package_ids: list[str] | None = None
    metadata: Metadata = None

    def __post_init__(self) -> None:
        check_id("id", self.id)
        check_optional_text("name", self.name)
        check_metadata("metadata", self.metadata)
        _check_features(self.features)
        _check_bases(self.base_package_ids or [])


class UpdatePackage(Command):
    """Absent fields stay as they are.

    A DRAFT can be edited whole: `features` replaces the list. Once published, only `metadata` and, for an add-on,
    `base_package_ids` can change, because customers have bought the rest.
    """

    name: str | UnsetType | None = UNSET
    is_addon: bool | UnsetType = UNSET
    features: list[PackageFeatureTerms] | UnsetType = UNSET
    base_package_ids: list[str] | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_optional_text("name", self.name)
        if self.metadata is not UNSET:
            check_metadata("metadata", self.metadata)
        if not isinstance(self.features, UnsetType):
            _check_features(self.features)
        if not isinstance(self.base_package_ids, UnsetType):
            _check_bases(self.base_package_ids)


class DuplicatePackage(Command):
    """A new DRAFT with the same content under `new_id`."""

    new_id: str
    name: str | None = None

    def __post_init__(self) -> None:
        check_id("newId", self.new_id)
        check_optional_text("name", self.name)


def _check_features(features: Sequence[PackageFeatureTerms]) -> None:
    if len(features) > FEATURES_PER_PACKAGE_MAX:
        raise InvalidInputError(
            "features", f"must have at most {FEATURES_PER_PACKAGE_MAX} entries, has {len(features)}"
        )
    for position, feature in enumerate(features):
        check_id(f"features[{position}].id", feature.id)
        check_optional_text(f"features[{position}].name", feature.name)
        if feature.entitlement and feature.entitlement.limit is not None:
            check_range(f"features[{position}].entitlement.limit", feature.entitlement.limit, at_least=0)
    _check_no_repeats("features", [feature.id for feature in features], ".id")


def _check_bases(base_package_ids: Sequence[str]) -> None:
    if len(base_package_ids) > BASES_PER_ADDON_MAX:
        raise InvalidInputError("basePackageIds", f"must have at most {BASES_PER_ADDON_MAX} entries")
    for position, base_id in enumerate(base_package_ids):
        check_id(f"basePackageIds[{position}]", base_id)
    _check_no_repeats("basePackageIds", base_package_ids)


def _check_no_repeats(field: str, ids: Sequence[str], suffix: str = "") -> None:
    seen: set[str] = set()
    for position, identifier in enumerate(ids):
        if identifier in seen:
            raise InvalidInputError(f"{field}[{position}]{suffix}", f"repeats {identifier!r}")
        seen.add(identifier)


class PackageFeature(View):
    """A feature as one package gives it. `limit` null is unlimited; both period and overage are null when BINARY."""

    id: str
    name: str
    type: FeatureType
    limit: int | None
    reset_period: ResetPeriod | None
    overage_enabled: bool | None
    unit_label: str | None
    unit_label_plural: str | None
    metadata: Metadata


class PackagePrice(View):
    """What a package costs at a payment provider. `amount` is in the currency's minor unit; no `interval`: paid once."""

    id: str
    provider: str
    amount: int
    display_amount: str
    currency: str
    interval: str | None


class Package(View):
    id: str
    name: str
    is_addon: bool
    status: PackageStatus
    updated_at: Timestamp
    metadata: Metadata
    base_package_ids: list[str]
    features: list[PackageFeature]
    prices: list[PackagePrice]
