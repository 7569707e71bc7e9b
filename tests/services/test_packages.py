"""Packages: made as drafts, published, sold, archived."""

from collections.abc import Callable

import pytest
from freezegun import freeze_time

from app.contract.packages import (
    CreatePackage,
    DuplicatePackage,
    Package,
    PackageFeature,
    PackageFeatureTerms,
    UpdatePackage,
)
from app.contract.shapes import PageRequest
from app.domain.entitlements import FeatureType
from app.domain.subscribing import PackageStatus
from app.errors import (
    AlreadyExistsError,
    InUseError,
    InvalidInputError,
    MeterlineError,
    PackageNotFoundError,
    PackageStatusError,
)
from app.services import packages
from tests.services.shop import DAY, EVERYTHING, MONTH, NOWHERE, YEAR, Shop, counted

CALLS = PackageFeature(
    id="calls",
    name="calls",
    type=FeatureType.CONSUMABLE,
    limit=3,
    reset_period=DAY,
    overage_enabled=True,
    unit_label=None,
    unit_label_plural=None,
    metadata={},
)


@pytest.fixture
def catalogue(shop: Shop) -> Shop:
    """The features `calls` (counted) and `sso` (on or off)."""
    shop.feature("calls")
    shop.feature("sso", FeatureType.BINARY)
    return shop


def change(shop: Shop, package_id: str, **changes: object) -> Package:
    return packages.update_package(shop.actor, package_id, UpdatePackage(**changes))


def refuses(shop: Shop, error: type[MeterlineError], attempt: Callable[[], object]) -> MeterlineError:
    """Nothing in the tenant's data may change by it."""
    before = shop.rows()
    with pytest.raises(error) as refused:
        attempt()
    assert shop.rows() == before
    return refused.value


def test_a_new_package_is_a_draft_with_its_features_in_the_order_given(catalogue: Shop) -> None:
    with freeze_time("2026-03-01T08:30:00.123Z"):
        made = catalogue.draft(
            "pro", PackageFeatureTerms(id="sso", name="Sign-on"), counted(3, DAY, overage=True), name="Pro"
        )

    assert made == Package(
        id="pro",
        name="Pro",
        is_addon=False,
        status=PackageStatus.DRAFT,
        updated_at="2026-03-01T08:30:00.123Z",
        metadata={},
        base_package_ids=[],
        features=[
            PackageFeature(
                id="sso",
                name="Sign-on",
                type=FeatureType.BINARY,
                limit=None,
                reset_period=None,
                overage_enabled=None,
                unit_label=None,
                unit_label_plural=None,
                metadata={},
            ),
            CALLS,
        ],
        prices=[],
    )
    assert packages.get_package(catalogue.actor, "pro") == made


def test_a_consumable_feature_without_an_entitlement_is_unlimited_by_the_month(catalogue: Shop) -> None:
    (feature,) = catalogue.draft("pro", PackageFeatureTerms(id="calls")).features
    assert (feature.limit, feature.reset_period, feature.overage_enabled) == (None, MONTH, False)


def test_a_package_without_a_name_is_called_by_its_id(shop: Shop) -> None:
    assert shop.draft("empty").name == "empty"


def test_a_taken_id_is_refused(catalogue: Shop) -> None:
    catalogue.draft("pro")
    refused = refuses(catalogue, AlreadyExistsError, lambda: catalogue.draft("pro", counted(1)))
    assert refused.message == "id: a package with the id 'pro' exists already"


def test_an_unknown_feature_is_refused_by_its_place(catalogue: Shop) -> None:
    refused = refuses(
        catalogue, InvalidInputError, lambda: catalogue.draft("pro", counted(1), counted(1, feature_id=NOWHERE))
    )
    assert refused.message == "features[1].id: Feature Id not found for app"


def test_a_binary_feature_takes_no_entitlement(catalogue: Shop) -> None:
    refused = refuses(catalogue, InvalidInputError, lambda: catalogue.draft("pro", counted(1, feature_id="sso")))
    assert refused.message == ("features[0].entitlement: feature sso is BINARY: it is included or not, without a limit")


def test_base_packages_are_for_addons_that_exist_and_are_bases(shop: Shop) -> None:
    shop.draft("pro")
    shop.draft("boost", is_addon=True)

    def message(**more: object) -> str:
        return refuses(shop, InvalidInputError, lambda: shop.draft("new", **more)).message

    assert message(base_package_ids=["pro"]) == "basePackageIds: only an add-on can be restricted to base packages"
    assert message(is_addon=True, base_package_ids=["pro", NOWHERE]) == (
        "basePackageIds[1]: Package Id not found for app"
    )
    assert message(is_addon=True, base_package_ids=["boost"]) == (
        "basePackageIds[0]: package boost is an add-on, not a base package"
    )
    assert message(is_addon=True, base_package_ids=["new"]) == (
        "basePackageIds[0]: package new is an add-on, not a base package"
    )


def test_an_addon_shows_the_bases_it_goes_with(shop: Shop) -> None:
    shop.draft("pro")
    shop.draft("max")
    made = shop.draft("boost", is_addon=True, base_package_ids=["max", "pro"])
    assert (made.is_addon, made.base_package_ids) == (True, ["pro", "max"])


def test_a_draft_can_be_edited_whole(catalogue: Shop) -> None:
    catalogue.draft("base")
    catalogue.draft("pro", PackageFeatureTerms(id="sso"), counted(3), name="Pro", metadata={"a": 1})

    edited = change(
        catalogue,
        "pro",
        name="Boost",
        is_addon=True,
        features=[counted(3, DAY, overage=True)],
        base_package_ids=["base"],
        metadata={"b": 2},
    )
    assert (edited.name, edited.is_addon, edited.features) == ("Boost", True, [CALLS])
    assert (edited.base_package_ids, edited.metadata) == (["base"], {"b": 2})
    assert packages.get_package(catalogue.actor, "pro") == edited


def test_absent_fields_of_a_draft_stay_and_null_ones_are_cleared(catalogue: Shop) -> None:
    made = catalogue.draft("pro", counted(3), name="Pro", metadata={"a": 1})

    renamed = change(catalogue, "pro", name="Max")
    assert (renamed.name, renamed.features, renamed.metadata) == ("Max", made.features, {"a": 1})
    cleared = change(catalogue, "pro", name=None, metadata=None)
    assert (cleared.name, cleared.features, cleared.metadata) == ("pro", made.features, {})


def test_an_edit_moves_updated_at(shop: Shop) -> None:
    with freeze_time("2026-03-01T00:00:00Z"):
        shop.draft("pro")
    with freeze_time("2026-03-02T00:00:00Z"):
        assert change(shop, "pro", name="x").updated_at == "2026-03-02T00:00:00.000Z"


def test_a_draft_that_stops_being_an_addon_loses_its_restriction(shop: Shop) -> None:
    shop.draft("pro")
    shop.draft("boost", is_addon=True, base_package_ids=["pro"])
    assert change(shop, "boost", is_addon=False).base_package_ids == []


def test_a_refused_edit_changes_nothing(catalogue: Shop) -> None:
    catalogue.draft("pro", counted(3), name="Pro")
    refused = refuses(
        catalogue, InvalidInputError, lambda: change(catalogue, "pro", name="x", features=[counted(feature_id=NOWHERE)])
    )
    assert refused.message == "features[0].id: Feature Id not found for app"


@pytest.mark.parametrize("status", [PackageStatus.PUBLISHED, PackageStatus.ARCHIVED])
@pytest.mark.parametrize(
    ("field", "changes"), [("name", {"name": None}), ("isAddon", {"is_addon": False}), ("features", {"features": []})]
)
def test_what_customers_have_bought_cannot_change(
    catalogue: Shop, status: PackageStatus, field: str, changes: dict[str, object]
) -> None:
    catalogue.package("pro", counted(3))
    if status is PackageStatus.ARCHIVED:
        packages.archive_package(catalogue.actor, "pro")

    refused = refuses(
        catalogue, PackageStatusError, lambda: change(catalogue, "pro", metadata={"new": True}, **changes)
    )
    assert refused.message == (
        f"{field}: package pro is {status} and its {field} can no longer change. Duplicate it instead."
    )


def test_metadata_and_an_addons_bases_can_change_after_publishing(shop: Shop) -> None:
    shop.package("pro")
    shop.addon("boost")
    assert change(shop, "boost", metadata={"a": 1}).metadata == {"a": 1}
    assert change(shop, "boost", base_package_ids=["pro"]).base_package_ids == ["pro"]
    assert change(shop, "boost", base_package_ids=[]).base_package_ids == []


def test_a_base_that_addons_need_cannot_become_one_of_them(shop: Shop) -> None:
    shop.draft("pro")
    shop.draft("boost", is_addon=True, base_package_ids=["pro"])

    refused = refuses(shop, InUseError, lambda: change(shop, "pro", is_addon=True))
    assert refused.message == "isAddon: package pro has to stay a base package: add-ons are restricted to it."
    assert change(shop, "pro", is_addon=False).is_addon is False


def test_publishing_is_one_way_and_repeatable(shop: Shop) -> None:
    shop.draft("pro")
    with freeze_time("2026-03-01T00:00:00Z"):
        published = packages.publish_package(shop.actor, "pro")
    with freeze_time("2026-03-02T00:00:00Z"):
        again = packages.publish_package(shop.actor, "pro")
        archived = packages.archive_package(shop.actor, "pro")
    assert (published.status, published.updated_at) == (PackageStatus.PUBLISHED, "2026-03-01T00:00:00.000Z")
    assert again == published
    assert (archived.status, archived.updated_at) == (PackageStatus.ARCHIVED, "2026-03-02T00:00:00.000Z")
    assert packages.archive_package(shop.actor, "pro") == archived

    refused = refuses(shop, PackageStatusError, lambda: packages.publish_package(shop.actor, "pro"))
    assert refused.message == "Package pro is ARCHIVED: only a DRAFT package can become PUBLISHED"


def test_a_draft_cannot_be_archived(shop: Shop) -> None:
    shop.draft("pro")
    refused = refuses(shop, PackageStatusError, lambda: packages.archive_package(shop.actor, "pro"))
    assert refused.message == "Package pro is DRAFT: only a PUBLISHED package can become ARCHIVED"


def test_an_archived_package_goes_on_for_those_who_have_it(catalogue: Shop) -> None:
    catalogue.package("pro", counted(3))
    catalogue.user()
    catalogue.subscribe("pro")
    packages.archive_package(catalogue.actor, "pro")

    assert catalogue.record().recorded is True


def test_a_duplicate_is_a_draft_with_the_same_content(catalogue: Shop) -> None:
    catalogue.package("base")
    bought = catalogue.addon(
        "boost",
        counted(3, YEAR, overage=True),
        PackageFeatureTerms(id="sso", name="Sign-on"),
        name="Boost",
        base_package_ids=["base"],
        metadata={"a": 1},
    )

    copy = packages.duplicate_package(catalogue.actor, "boost", DuplicatePackage(new_id="boost-2"))
    assert (copy.id, copy.status, copy.name) == ("boost-2", PackageStatus.DRAFT, "Boost")
    assert (copy.features, copy.base_package_ids, copy.metadata, copy.is_addon) == (
        bought.features,
        ["base"],
        {"a": 1},
        True,
    )
    named = packages.duplicate_package(catalogue.actor, "boost", DuplicatePackage(new_id="boost-3", name="Three"))
    assert named.name == "Three"
    assert packages.get_package(catalogue.actor, "boost") == bought


def test_a_duplicate_under_a_taken_id_is_refused(shop: Shop) -> None:
    shop.draft("pro")
    refused = refuses(
        shop,
        AlreadyExistsError,
        lambda: packages.duplicate_package(shop.actor, "pro", DuplicatePackage(new_id="pro")),
    )
    assert refused.message == "id: a package with the id 'pro' exists already"


def test_a_draft_can_be_deleted_with_all_that_belongs_to_it(catalogue: Shop) -> None:
    catalogue.draft("base")
    made = catalogue.draft("boost", counted(3), is_addon=True, base_package_ids=["base"])

    assert packages.delete_package(catalogue.actor, "boost") == made
    assert catalogue.rows("package_features", "package_bases") == {"package_features": [], "package_bases": []}
    packages.delete_package(catalogue.actor, "base")
    assert packages.list_packages(catalogue.actor, EVERYTHING, None).data == []


@pytest.mark.parametrize("status", [PackageStatus.PUBLISHED, PackageStatus.ARCHIVED])
def test_what_was_published_cannot_be_deleted(shop: Shop, status: PackageStatus) -> None:
    shop.package("pro")
    if status is PackageStatus.ARCHIVED:
        packages.archive_package(shop.actor, "pro")

    refused = refuses(shop, InUseError, lambda: packages.delete_package(shop.actor, "pro"))
    assert refused.message == f"Package pro cannot be deleted: it is {status}. Archive it instead."


def test_a_draft_that_addons_are_restricted_to_cannot_be_deleted(shop: Shop) -> None:
    shop.draft("pro")
    shop.draft("boost", is_addon=True, base_package_ids=["pro"])

    refused = refuses(shop, InUseError, lambda: packages.delete_package(shop.actor, "pro"))
    assert refused.message == "Package pro cannot be deleted: add-ons are restricted to it."


def test_an_unknown_package_is_not_found(shop: Shop) -> None:
    actor = shop.actor
    for attempt in (
        lambda: packages.get_package(actor, NOWHERE),
        lambda: packages.update_package(actor, NOWHERE, UpdatePackage(name="x")),
        lambda: packages.publish_package(actor, NOWHERE),
        lambda: packages.archive_package(actor, NOWHERE),
        lambda: packages.delete_package(actor, NOWHERE),
        lambda: packages.duplicate_package(actor, NOWHERE, DuplicatePackage(new_id="new")),
    ):
        assert refuses(shop, PackageNotFoundError, attempt).message == "Package Id not found for app"


def test_lists_are_oldest_first_by_status_and_page(shop: Shop) -> None:
    shop.package("b")
    shop.draft("c")
    shop.package("a")
    packages.archive_package(shop.actor, "a")

    def ids(status: PackageStatus | None, **page: object) -> tuple[list[str], bool]:
        found = packages.list_packages(shop.actor, PageRequest(**page), status)
        return [package.id for package in found.data], found.has_more

    assert ids(None) == (["b", "c", "a"], False)
    assert ids(None, limit=2) == (["b", "c"], True)
    assert ids(None, limit=2, starting_after="c") == (["a"], False)
    assert ids(PackageStatus.DRAFT) == (["c"], False)
    assert ids(PackageStatus.PUBLISHED) == (["b"], False)
    assert ids(PackageStatus.ARCHIVED) == (["a"], False)
    # The place to go on from need not be of the status asked for.
    assert ids(PackageStatus.ARCHIVED, starting_after="b") == (["a"], False)
    with pytest.raises(InvalidInputError, match=r"^startingAfter: there is nothing with the id 'no-such-id'$"):
        ids(None, starting_after=NOWHERE)


def test_loaders_find_packages_by_id_and_by_feature(catalogue: Shop) -> None:
    pro = catalogue.draft("pro", counted(3), PackageFeatureTerms(id="sso"))
    lite = catalogue.draft("lite", counted(1))

    assert packages.packages_by_id(catalogue.actor, ["lite", NOWHERE]) == {"lite": lite}
    assert packages.packages_holding(catalogue.actor, ["calls", "sso", NOWHERE]) == {
        "calls": [pro, lite],
        "sso": [pro],
        NOWHERE: [],
    }


def test_a_command_without_features_makes_an_empty_package(shop: Shop) -> None:
    assert packages.create_package(shop.actor, CreatePackage(id="pro", features=[])).features == []
