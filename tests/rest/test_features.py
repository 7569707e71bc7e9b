"""Features over REST."""

from tests.rest.door import Door, api_calls

CREATED = {
    "id": "api-calls",
    "name": "API calls",
    "type": "CONSUMABLE",
    "unitLabel": "call",
    "unitLabelPlural": "calls",
    "usageThresholds": [50, 100],
    "metadata": {"team": "blue"},
}


async def test_a_feature_is_created_and_read_as_it_was_given(rest: Door) -> None:
    created = await rest.post("/v1/features", json=CREATED)
    read = await rest.get("/v1/features/api-calls")

    assert (created.status_code, created.json()) == (201, CREATED)
    assert (read.status_code, read.json()) == (200, CREATED)
    assert read.headers["content-type"] == "application/json"
    assert read.headers["cache-control"] == "no-store"


async def test_a_feature_with_a_taken_id_is_refused_and_the_first_stays(rest: Door) -> None:
    await rest.made("/v1/features", **CREATED)

    refused = await rest.post("/v1/features", json={"id": "api-calls", "type": "BINARY"})

    assert refused.status_code == 409
    assert (refused.json()["name"], refused.json()["code"]) == ("AlreadyExistsError", "BAD_USER_INPUT")
    assert (await rest.get("/v1/features/api-calls")).json() == CREATED


async def test_an_update_changes_what_it_names_and_clears_what_is_null(rest: Door) -> None:
    await rest.made("/v1/features", **CREATED)

    updated = await rest.patch("/v1/features/api-calls", json={"name": "Calls", "unitLabel": None})

    assert updated.status_code == 200
    assert updated.json() == CREATED | {"name": "Calls", "unitLabel": None}


async def test_the_type_cannot_be_updated(rest: Door) -> None:
    await rest.made("/v1/features", **CREATED)

    refused = await rest.patch("/v1/features/api-calls", json={"type": "BINARY"})

    assert (refused.status_code, refused.json()["field"]) == (422, "type")
    assert (await rest.get("/v1/features/api-calls")).json() == CREATED


async def test_a_deleted_feature_is_answered_as_it_was_and_is_gone(rest: Door) -> None:
    await rest.made("/v1/features", **CREATED)

    deleted = await rest.delete("/v1/features/api-calls")

    assert (deleted.status_code, deleted.json()) == (200, CREATED)
    gone = await rest.get("/v1/features/api-calls")
    assert (gone.status_code, gone.json()["name"]) == (404, "FeatureNotFoundError")


async def test_a_feature_that_a_package_holds_cannot_be_deleted(rest: Door) -> None:
    await rest.made("/v1/features", **CREATED)
    await rest.made("/v1/packages", id="pro", features=[api_calls()])

    refused = await rest.delete("/v1/features/api-calls")

    assert (refused.status_code, refused.json()["name"]) == (409, "InUseError")
    assert (await rest.get("/v1/features/api-calls")).status_code == 200


async def test_features_come_in_pages_oldest_first(rest: Door) -> None:
    for number in range(5):
        await rest.made("/v1/features", id=f"feature-{number}", type="BINARY")

    first = (await rest.get("/v1/features", params={"limit": 2})).json()
    second = (await rest.get("/v1/features", params={"limit": 2, "startingAfter": "feature-1"})).json()
    last = (await rest.get("/v1/features", params={"limit": 2, "startingAfter": "feature-3"})).json()

    assert [(page["hasMore"], [one["id"] for one in page["data"]]) for page in (first, second, last)] == [
        (True, ["feature-0", "feature-1"]),
        (True, ["feature-2", "feature-3"]),
        (False, ["feature-4"]),
    ]


async def test_a_list_has_20_items_unless_another_limit_is_given(rest: Door) -> None:
    for number in range(21):
        await rest.made("/v1/features", id=f"feature-{number}", type="BINARY")

    page = (await rest.get("/v1/features")).json()

    assert (len(page["data"]), page["hasMore"]) == (20, True)


async def test_a_list_that_starts_after_nothing_known_is_refused(rest: Door) -> None:
    refused = await rest.get("/v1/features", params={"startingAfter": "unknown"})

    assert (refused.status_code, refused.json()["field"]) == (422, "startingAfter")


async def test_another_tenants_feature_looks_like_none(rest: Door, other_rest: Door) -> None:
    await other_rest.made("/v1/features", **CREATED)

    foreign = await rest.get("/v1/features/api-calls")
    unknown = await rest.get("/v1/features/nothing")

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json() | {"requestId": ""} == unknown.json() | {"requestId": ""}
    assert (await rest.patch("/v1/features/api-calls", json={"name": "mine"})).status_code == 404
    assert (await rest.delete("/v1/features/api-calls")).status_code == 404
    assert await rest.total("/v1/features") == 0
    assert (await other_rest.get("/v1/features/api-calls")).json() == CREATED
