"""Users over REST."""

import jwt

from tests.rest.door import Door, api_calls
from tests.tenants import Tenant

ADA = {"id": "ada", "billingId": "cus_1", "name": "Ada", "email": "ada@example.com", "metadata": {"region": "eu"}}


async def test_a_user_is_created_and_read_as_given(rest: Door) -> None:
    created = await rest.post("/v1/users", json=ADA)
    read = await rest.get("/v1/users/ada")

    assert (created.status_code, created.json()) == (201, ADA)
    assert (read.status_code, read.json()) == (200, ADA)


async def test_a_user_with_a_taken_id_is_refused_and_the_first_stays(rest: Door) -> None:
    await rest.made("/v1/users", **ADA)

    refused = await rest.post("/v1/users", json={"id": "ada", "name": "Another"})

    assert (refused.status_code, refused.json()["name"]) == (409, "AlreadyExistsError")
    assert (await rest.get("/v1/users/ada")).json() == ADA


async def test_an_update_changes_what_it_names_and_clears_what_is_null(rest: Door) -> None:
    await rest.made("/v1/users", **ADA)

    updated = await rest.patch("/v1/users/ada", json={"email": "lovelace@example.com", "name": None})

    assert (updated.status_code, updated.json()) == (200, ADA | {"email": "lovelace@example.com", "name": None})


async def test_a_renamed_user_keeps_subscriptions_and_usage(rest: Door) -> None:
    await rest.made("/v1/features", id="api-calls", type="CONSUMABLE")
    await rest.sell("pro", api_calls(3))
    await rest.made("/v1/users", **ADA)
    await rest.made("/v1/subscriptions", userId="ada", packageIds=["pro"])
    await rest.made("/v1/usage", userId="ada", featureId="api-calls", delta=2)

    renamed = await rest.patch("/v1/users/ada", json={"id": "countess"})

    assert (renamed.status_code, renamed.json()["id"]) == (200, "countess")
    assert (await rest.get("/v1/users/ada")).status_code == 404
    access = (await rest.get("/v1/users/countess/features/api-calls/access")).json()
    assert access["consumption"] == {"used": 2, "budget": 3, "overageEnabled": False, "reserved": 0}


async def test_a_user_cannot_be_renamed_to_a_taken_id(rest: Door) -> None:
    await rest.made("/v1/users", **ADA)
    await rest.made("/v1/users", id="bob")

    refused = await rest.patch("/v1/users/bob", json={"id": "ada", "name": "Bob"})

    assert (refused.status_code, refused.json()["name"]) == (409, "AlreadyExistsError")
    assert (await rest.get("/v1/users/bob")).json()["name"] is None


async def test_users_come_in_pages(rest: Door) -> None:
    for number in range(3):
        await rest.made("/v1/users", id=f"user-{number}")

    first = (await rest.get("/v1/users", params={"limit": 2})).json()
    rest_of_it = (await rest.get("/v1/users", params={"limit": 2, "startingAfter": "user-1"})).json()

    assert (first["hasMore"], [user["id"] for user in first["data"]]) == (True, ["user-0", "user-1"])
    assert (rest_of_it["hasMore"], [user["id"] for user in rest_of_it["data"]]) == (False, ["user-2"])


async def test_a_token_speaks_for_the_user(rest: Door, tenant: Tenant) -> None:
    await rest.made("/v1/users", **ADA)

    answer = await rest.post("/v1/users/ada/token")

    claims = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    assert answer.status_code == 201
    assert (claims["userId"], claims["appId"], claims["aud"]) == ("ada", tenant.app_id, "kana-client")


async def test_nobody_gets_a_token_for_an_unknown_user(rest: Door) -> None:
    answer = await rest.post("/v1/users/nobody/token")

    assert (answer.status_code, answer.json()["name"]) == (404, "UserNotFoundError")


async def test_ids_with_slashes_and_other_signs_are_one_path_segment(rest: Door) -> None:
    for identifier, encoded in [
        ("team/ada", "team%2Fada"),
        ("100%", "100%25"),
        ("a%2Fb", "a%252Fb"),
        ("é ?#&+", "%C3%A9%20%3F%23%26+"),
        ("//", "%2F%2f"),
    ]:
        await rest.made("/v1/users", id=identifier)
        read = await rest.get(f"/v1/users/{encoded}")
        assert (read.status_code, read.json()["id"]) == (200, identifier), encoded


async def test_an_id_with_a_slash_works_in_the_middle_of_a_path(rest: Door) -> None:
    await rest.made("/v1/users", id="team/ada")
    await rest.made("/v1/features", id="api/calls", type="BINARY")

    access = await rest.get("/v1/users/team%2Fada/features/api%2Fcalls/access")

    assert (access.status_code, access.json()["access"]) == (200, False)
