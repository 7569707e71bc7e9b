"""Subscriptions over REST."""

import pytest
from freezegun import freeze_time

from tests.rest.door import Door, api_calls


@pytest.fixture
async def shop(rest: Door) -> Door:
    """Two bases and an add-on on sale, a draft, and Ada."""
    await rest.made("/v1/features", id="api-calls", type="CONSUMABLE")
    await rest.sell("basic", api_calls(10))
    await rest.sell("pro", api_calls(100))
    await rest.sell("extra", isAddon=True)
    await rest.made("/v1/packages", id="draft", features=[])
    await rest.made("/v1/users", id="ada")
    return rest


async def test_a_user_is_subscribed_to_packages_in_the_order_asked_for(shop: Door) -> None:
    with freeze_time("2026-03-05T10:00:00Z"):
        answer = await shop.post(
            "/v1/subscriptions", json={"userId": "ada", "packageIds": ["extra", "basic"], "metadata": {"by": "sales"}}
        )

    made = answer.json()["data"]
    assert answer.status_code == 201
    assert [one["package"]["id"] for one in made] == ["extra", "basic"]
    assert {(one["userId"], one["status"], one["startedAt"], one["endsAt"]) for one in made} == {
        ("ada", "ACTIVE", "2026-03-05T10:00:00.000Z", None)
    }
    assert [one["metadata"] for one in made] == [{"by": "sales"}, {"by": "sales"}]
    assert (await shop.get(f"/v1/subscriptions/{made[1]['id']}")).json() == made[1]


@pytest.mark.parametrize(
    ("user_id", "package_ids", "status", "name", "detail"),
    [
        ("nobody", ["basic"], 404, "UserNotFoundError", "User Id not found for app"),
        ("ada", ["basic", "none"], 404, "PackageNotFoundError", "Package Id not found for app"),
        (
            "ada",
            ["draft"],
            409,
            "PackageStatusError",
            "Cannot subscribe to package draft: it is DRAFT, not PUBLISHED",
        ),
        ("ada", ["basic", "pro"], 409, "SubscriptionError", "Cannot subscribe to multiple tiers"),
        (
            "ada",
            ["extra"],
            409,
            "SubscriptionError",
            "Cannot subscribe to addon. Missing live tier subscription.",
        ),
        ("ada", [], 422, "InvalidInputError", "packageIds: must name at least one package"),
        ("ada", ["basic", "basic"], 422, "InvalidInputError", "packageIds[1]: repeats 'basic'"),
    ],
)
async def test_a_subscription_that_the_rules_forbid_is_refused_whole(
    shop: Door, user_id: str, package_ids: list[str], status: int, name: str, detail: str
) -> None:
    refused = await shop.post("/v1/subscriptions", json={"userId": user_id, "packageIds": package_ids})

    assert (refused.status_code, refused.json()["name"], refused.json()["detail"]) == (status, name, detail)
    assert await shop.total("/v1/subscriptions") == 0


async def test_subscriptions_are_listed_for_all_or_for_one_user(shop: Door) -> None:
    await shop.made("/v1/users", id="bob")
    await shop.made("/v1/subscriptions", userId="ada", packageIds=["basic", "extra"])
    await shop.made("/v1/subscriptions", userId="bob", packageIds=["pro"])

    everyone = (await shop.get("/v1/subscriptions", params={"limit": 2})).json()
    bobs = (await shop.get("/v1/subscriptions", params={"userId": "bob"})).json()
    nobodys = await shop.get("/v1/subscriptions", params={"userId": "nobody"})

    assert (everyone["hasMore"], [one["userId"] for one in everyone["data"]]) == (True, ["ada", "ada"])
    assert (bobs["hasMore"], [one["package"]["id"] for one in bobs["data"]]) == (False, ["pro"])
    assert (nobodys.status_code, nobodys.json()["name"]) == (404, "UserNotFoundError")


async def test_a_subscription_is_cancelled_at_once_without_a_body(shop: Door) -> None:
    made = (await shop.made("/v1/subscriptions", userId="ada", packageIds=["basic", "extra"]))["data"]

    cancelled = await shop.post(f"/v1/subscriptions/{made[0]['id']}/cancel")

    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")
    addon = (await shop.get(f"/v1/subscriptions/{made[1]['id']}")).json()
    assert addon["status"] == "CANCELLED"


async def test_a_subscription_is_cancelled_at_the_end_of_its_period(shop: Door) -> None:
    with freeze_time("2026-03-05T10:00:00Z"):
        made = (await shop.made("/v1/subscriptions", userId="ada", packageIds=["basic"]))["data"]
        cancelled = await shop.post(f"/v1/subscriptions/{made[0]['id']}/cancel", json={"atPeriodEnd": True})

    assert cancelled.status_code == 200
    assert (cancelled.json()["status"], cancelled.json()["endsAt"]) == ("ACTIVE", "2026-04-05T10:00:00.000Z")


@pytest.mark.parametrize("body", [{"atPeriodEnd": "yes"}, {"when": "now"}, []])
async def test_a_cancellation_with_a_bad_body_cancels_nothing(shop: Door, body: object) -> None:
    made = (await shop.made("/v1/subscriptions", userId="ada", packageIds=["basic"]))["data"]

    refused = await shop.post(f"/v1/subscriptions/{made[0]['id']}/cancel", json=body)

    assert refused.status_code == 422
    assert (await shop.get(f"/v1/subscriptions/{made[0]['id']}")).json()["status"] == "ACTIVE"


async def test_the_base_is_changed_in_one_step_and_the_subscription_stays_the_same(shop: Door) -> None:
    made = (await shop.made("/v1/subscriptions", userId="ada", packageIds=["basic"]))["data"][0]

    changed = await shop.post(f"/v1/subscriptions/{made['id']}/change", json={"packageId": "pro"})

    assert changed.status_code == 200
    assert changed.json() == made | {"package": (await shop.get("/v1/packages/pro")).json()}


async def test_a_base_cannot_be_changed_to_an_addon(shop: Door) -> None:
    made = (await shop.made("/v1/subscriptions", userId="ada", packageIds=["basic"]))["data"][0]

    refused = await shop.post(f"/v1/subscriptions/{made['id']}/change", json={"packageId": "extra"})

    assert (refused.status_code, refused.json()["name"]) == (409, "SubscriptionError")
    assert (await shop.get(f"/v1/subscriptions/{made['id']}")).json() == made


@pytest.mark.parametrize("identifier", ["999999", "abc", "0", "9" * 40, "-1"])
async def test_an_unknown_subscription_is_not_found(shop: Door, identifier: str) -> None:
    for answer in (
        await shop.get(f"/v1/subscriptions/{identifier}"),
        await shop.post(f"/v1/subscriptions/{identifier}/cancel"),
        await shop.post(f"/v1/subscriptions/{identifier}/change", json={"packageId": "pro"}),
    ):
        assert (answer.status_code, answer.json()["name"]) == (404, "SubscriptionNotFoundError")


async def test_another_tenants_subscription_cannot_be_seen_or_cancelled(shop: Door, other_rest: Door) -> None:
    made = (await shop.made("/v1/subscriptions", userId="ada", packageIds=["basic"]))["data"][0]

    assert (await other_rest.get(f"/v1/subscriptions/{made['id']}")).status_code == 404
    assert (await other_rest.post(f"/v1/subscriptions/{made['id']}/cancel")).status_code == 404
    assert (await shop.get(f"/v1/subscriptions/{made['id']}")).json() == made
