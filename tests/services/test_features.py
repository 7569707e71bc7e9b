"""Features: create, change, delete, read."""

import pytest
from freezegun import freeze_time

from app.contract.features import CreateFeature, Feature, UpdateFeature
from app.contract.shapes import PageRequest
from app.domain.entitlements import FeatureType
from app.errors import AlreadyExistsError, FeatureNotFoundError, InUseError, InvalidInputError
from app.services import features
from tests.services.shop import EVERYTHING, NOWHERE, Shop, counted

NO_UNITS = "a BINARY feature is not counted, so it has no units"


def test_a_new_feature_comes_back_as_it_was_given(shop: Shop) -> None:
    command = CreateFeature(
        id="api-calls",
        type=FeatureType.CONSUMABLE,
        name="API Calls",
        unit_label="API Call",
        unit_label_plural="API Calls",
        usage_thresholds=[50, 100],
        metadata={"team": ["blue", None, 1.5]},
    )
    made = features.create_feature(shop.actor, command)

    assert made == Feature(
        id="api-calls",
        name="API Calls",
        type=FeatureType.CONSUMABLE,
        unit_label="API Call",
        unit_label_plural="API Calls",
        usage_thresholds=[50, 100],
        metadata={"team": ["blue", None, 1.5]},
    )
    assert features.get_feature(shop.actor, "api-calls") == made


def test_a_feature_without_a_name_is_called_by_its_id_and_has_empty_metadata(shop: Shop) -> None:
    assert shop.feature("sso", FeatureType.BINARY) == Feature(
        id="sso",
        name="sso",
        type=FeatureType.BINARY,
        unit_label=None,
        unit_label_plural=None,
        usage_thresholds=[],
        metadata={},
    )


def test_a_taken_id_is_refused_and_the_first_feature_stays(shop: Shop) -> None:
    shop.feature("calls")
    before = shop.rows()

    with pytest.raises(AlreadyExistsError, match=r"^id: a feature with the id 'calls' exists already$"):
        shop.feature("calls", FeatureType.BINARY)
    assert shop.rows() == before


def test_another_tenant_may_use_the_same_id(shop: Shop, other_shop: Shop) -> None:
    shop.feature("calls")
    other_shop.feature("calls", FeatureType.BINARY)

    assert features.get_feature(shop.actor, "calls").type is FeatureType.CONSUMABLE
    assert features.get_feature(other_shop.actor, "calls").type is FeatureType.BINARY


@pytest.mark.parametrize(
    ("labels", "field"),
    [({"unit_label": "Seat"}, "unitLabel"), ({"unit_label_plural": "Seats"}, "unitLabelPlural")],
)
def test_a_binary_feature_has_no_units(shop: Shop, labels: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        features.create_feature(shop.actor, CreateFeature(id="sso", type=FeatureType.BINARY, **labels))
    assert (refused.value.field, refused.value.problem) == (field, NO_UNITS)
    assert shop.rows("features") == {"features": []}

    shop.feature("sso", FeatureType.BINARY)
    before = shop.rows()
    with pytest.raises(InvalidInputError) as refused:
        features.update_feature(shop.actor, "sso", UpdateFeature(name="Single sign-on", **labels))
    assert (refused.value.field, refused.value.problem) == (field, NO_UNITS)
    assert shop.rows() == before


def test_absent_fields_stay_and_null_ones_are_cleared(shop: Shop) -> None:
    given = CreateFeature(
        id="calls", type=FeatureType.CONSUMABLE, name="Calls", unit_label="Call", metadata={"team": "blue"}
    )
    features.create_feature(shop.actor, given)

    renamed = features.update_feature(shop.actor, "calls", UpdateFeature(name="API Calls"))
    assert (renamed.name, renamed.unit_label, renamed.metadata) == ("API Calls", "Call", {"team": "blue"})

    cleared = features.update_feature(shop.actor, "calls", UpdateFeature(name=None, unit_label=None, metadata=None))
    assert (cleared.name, cleared.unit_label, cleared.metadata) == ("calls", None, {})
    assert features.get_feature(shop.actor, "calls") == cleared


def test_units_of_a_binary_feature_may_be_cleared_though_it_has_none(shop: Shop) -> None:
    shop.feature("sso", FeatureType.BINARY)
    assert features.update_feature(shop.actor, "sso", UpdateFeature(unit_label=None)).unit_label is None


def test_a_feature_that_nothing_uses_can_be_deleted(shop: Shop) -> None:
    made = shop.feature("calls")

    assert features.delete_feature(shop.actor, "calls") == made
    with pytest.raises(FeatureNotFoundError):
        features.delete_feature(shop.actor, "calls")
    assert shop.feature("calls") == made


def test_a_feature_in_a_draft_cannot_be_deleted(shop: Shop) -> None:
    shop.feature()
    shop.draft("pro", counted(3))
    before = shop.rows()

    with pytest.raises(InUseError, match=r"^Feature calls cannot be deleted: a package holds it\.$"):
        features.delete_feature(shop.actor, "calls")
    assert shop.rows() == before


def test_a_feature_whose_usage_was_reported_cannot_be_deleted_even_if_it_was_refused(shop: Shop) -> None:
    shop.feature()
    shop.user()
    assert shop.record().recorded is False
    before = shop.rows()

    with pytest.raises(InUseError, match=r"^Feature calls cannot be deleted: usage of it was reported\.$"):
        features.delete_feature(shop.actor, "calls")
    assert shop.rows() == before


def test_an_unknown_feature_is_not_found(shop: Shop) -> None:
    for attempt in (
        lambda: features.get_feature(shop.actor, NOWHERE),
        lambda: features.update_feature(shop.actor, NOWHERE, UpdateFeature(name="x")),
        lambda: features.delete_feature(shop.actor, NOWHERE),
    ):
        with pytest.raises(FeatureNotFoundError, match=r"^Feature Id not found for app$"):
            attempt()


def test_lists_are_oldest_first_and_go_on_after_the_last_one_seen(shop: Shop) -> None:
    with freeze_time("2026-01-01"):  # the order is that of creation, even within one millisecond
        for feature_id in ("c", "a", "b"):
            shop.feature(feature_id)

    first = features.list_features(shop.actor, PageRequest(limit=2))
    second = features.list_features(shop.actor, PageRequest(limit=2, starting_after="a"))
    assert ([item.id for item in first.data], first.has_more) == (["c", "a"], True)
    assert ([item.id for item in second.data], second.has_more) == (["b"], False)


def test_a_page_of_exactly_the_rest_has_no_more(shop: Shop) -> None:
    shop.feature("a")
    shop.feature("b")

    assert features.list_features(shop.actor, PageRequest(limit=2)).has_more is False
    after_the_last = features.list_features(shop.actor, PageRequest(starting_after="b"))
    assert (after_the_last.data, after_the_last.has_more) == ([], False)


def test_a_page_after_an_unknown_id_is_refused(shop: Shop) -> None:
    with pytest.raises(InvalidInputError, match=r"^startingAfter: there is nothing with the id 'no-such-id'$"):
        features.list_features(shop.actor, PageRequest(starting_after=NOWHERE))


def test_a_tenant_lists_its_own_alone(shop: Shop, other_shop: Shop) -> None:
    shop.feature("ours")
    other_shop.feature("theirs")
    assert [item.id for item in features.list_features(shop.actor, EVERYTHING).data] == ["ours"]
