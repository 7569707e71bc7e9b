"""Packages over REST."""

from typing import Any

import pytest

from tests.rest.door import Door, api_calls


@pytest.fixture
async def with_feature(rest: Door) -> Door:
    await rest.made("/v1/features", id="api-calls", type="CONSUMABLE", name="API calls")
    return rest


def steady(package: dict[str, Any]) -> dict[str, Any]:
    """Without the time of the last change."""
    return {field: value for field, value in package.items() if field != "updatedAt"}


async def test_a_package_is_created_as_a_draft_and_read(with_feature: Door) -> None:
    created = await with_feature.post(
        "/v1/packages", json={"id": "pro", "name": "Pro", "features": [api_calls(1000)], "metadata": {"a": [1]}}
    )
    read = await with_feature.get("/v1/packages/pro")

    assert created.status_code == 201
    assert steady(created.json()) == {
        "id": "pro",
        "name": "Pro",
        "isAddon": False,
        "status": "DRAFT",
        "metadata": {"a": [1]},
        "basePackageIds": [],
        "features": [
            {
                "id": "api-calls",
                "name": "API calls",
                "type": "CONSUMABLE",
                "limit": 1000,
                "resetPeriod": "MONTH",
                "overageEnabled": False,
                "unitLabel": None,
                "unitLabelPlural": None,
                "metadata": {},
            }
        ],
        "prices": [],
    }
    assert (read.status_code, read.json()) == (200, created.json())


async def test_a_package_with_an_unknown_feature_is_refused_whole(with_feature: Door) -> None:
    refused = await with_feature.post("/v1/packages", json={"id": "pro", "features": [api_calls(), {"id": "none"}]})

    assert (refused.status_code, refused.json()["field"]) == (422, "features[1].id")
    assert (await with_feature.get("/v1/packages/pro")).status_code == 404


async def test_a_draft_is_edited_whole(with_feature: Door) -> None:
    await with_feature.made("/v1/packages", id="pro", features=[api_calls(1)])

    updated = await with_feature.patch("/v1/packages/pro", json={"name": "Pro!", "features": [api_calls(2)]})

    assert (updated.status_code, updated.json()["name"]) == (200, "Pro!")
    assert [feature["limit"] for feature in updated.json()["features"]] == [2]


async def test_a_published_package_keeps_its_features(with_feature: Door) -> None:
    await with_feature.sell("pro", api_calls(1))

    refused = await with_feature.patch("/v1/packages/pro", json={"features": [], "metadata": {"b": 1}})
    allowed = await with_feature.patch("/v1/packages/pro", json={"metadata": {"c": 1}})

    assert (refused.status_code, refused.json()["name"]) == (409, "PackageStatusError")
    assert (allowed.status_code, allowed.json()["metadata"]) == (200, {"c": 1})
    assert [feature["limit"] for feature in allowed.json()["features"]] == [1]


async def test_a_package_goes_from_draft_to_published_to_archived(with_feature: Door) -> None:
    await with_feature.made("/v1/packages", id="pro", features=[])

    statuses = [
        ((answer := await with_feature.post(f"/v1/packages/pro/{step}")).status_code, answer.json()["status"])
        for step in ("publish", "archive")
    ]

    assert statuses == [(200, "PUBLISHED"), (200, "ARCHIVED")]
    back = await with_feature.post("/v1/packages/pro/publish")
    assert (back.status_code, back.json()["name"]) == (409, "PackageStatusError")
    assert (await with_feature.get("/v1/packages/pro")).json()["status"] == "ARCHIVED"


async def test_a_draft_cannot_be_archived(with_feature: Door) -> None:
    await with_feature.made("/v1/packages", id="pro", features=[])

    refused = await with_feature.post("/v1/packages/pro/archive")

    assert (refused.status_code, refused.json()["name"]) == (409, "PackageStatusError")
    assert (await with_feature.get("/v1/packages/pro")).json()["status"] == "DRAFT"


async def test_a_duplicate_is_a_draft_with_the_same_content(with_feature: Door) -> None:
    await with_feature.sell("pro", api_calls(7), name="Pro")

    copy = await with_feature.post("/v1/packages/pro/duplicate", json={"newId": "pro-2", "name": "Pro 2"})

    assert copy.status_code == 201
    original = (await with_feature.get("/v1/packages/pro")).json()
    assert steady(copy.json()) == steady(original) | {"id": "pro-2", "name": "Pro 2", "status": "DRAFT"}


async def test_a_duplicate_needs_a_new_id(with_feature: Door) -> None:
    await with_feature.made("/v1/packages", id="pro", features=[])

    refused = await with_feature.post("/v1/packages/pro/duplicate", json={"newId": "pro"})

    assert (refused.status_code, refused.json()["name"]) == (409, "AlreadyExistsError")
    assert (await with_feature.get("/v1/packages", params={"status": "ALL"})).json()["hasMore"] is False


async def test_a_draft_is_deleted_and_a_published_package_is_not(with_feature: Door) -> None:
    draft = await with_feature.made("/v1/packages", id="draft", features=[])
    await with_feature.sell("sold")

    deleted = await with_feature.delete("/v1/packages/draft")
    refused = await with_feature.delete("/v1/packages/sold")

    assert (deleted.status_code, deleted.json()) == (200, draft)
    assert (await with_feature.get("/v1/packages/draft")).status_code == 404
    assert (refused.status_code, refused.json()["name"]) == (409, "InUseError")
    assert (await with_feature.get("/v1/packages/sold")).status_code == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["sold"]),
        ({"status": "PUBLISHED"}, ["sold"]),
        ({"status": "DRAFT"}, ["draft"]),
        ({"status": "ARCHIVED"}, ["old"]),
        ({"status": "ALL"}, ["draft", "sold", "old"]),
    ],
)
async def test_the_list_shows_packages_on_sale_unless_asked_for_others(
    with_feature: Door, query: dict[str, str], expected: list[str]
) -> None:
    await with_feature.made("/v1/packages", id="draft", features=[])
    await with_feature.sell("sold")
    await with_feature.sell("old")
    await with_feature.made("/v1/packages/old/archive")

    page = (await with_feature.get("/v1/packages", params=query)).json()

    assert [package["id"] for package in page["data"]] == expected
    assert page["hasMore"] is False


async def test_an_unknown_status_is_refused(rest: Door) -> None:
    refused = await rest.get("/v1/packages", params={"status": "SOLD"})

    assert (refused.status_code, refused.json()["field"]) == (422, "status")
    assert refused.json()["detail"] == "status: Invalid enum value 'SOLD'"
