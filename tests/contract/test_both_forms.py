"""Where Kana's documents show two forms, both work. The numbers are the rows of the list of contradictions that
`app/graphql/compat.py` and the schema settle."""

import json
from typing import Any

import httpx
import pytest

from app.contract.actors import Actor
from app.contract.billing import LinkPrice
from app.services.billing import link_price
from tests.contract.callers import Caller
from tests.tenants import Tenant

_FEATURE = {"id": "api-calls", "name": "API Calls", "type": "CONSUMABLE"}
_TERMS = {"id": "api-calls", "entitlement": {"limit": 1000, "resetPeriod": "MONTH"}}


@pytest.fixture
async def shop(caller: Caller) -> Caller:
    """A feature, a published package `pro-plan`, a draft `gold-plan`, and user 124 on the former."""
    await caller.rest("POST", "/features", **_FEATURE)
    for package_id in ("pro-plan", "gold-plan"):
        await caller.rest("POST", "/packages", id=package_id, features=[_TERMS])
    await caller.rest("POST", "/packages/pro-plan/publish")
    await caller.rest("POST", "/users", id="124")
    await caller.rest("POST", "/subscriptions", userId="124", packageIds=["pro-plan"])
    return caller


@pytest.mark.parametrize("name", ["updateFeature", "updatePackage"])
@pytest.mark.parametrize(
    ("declaration", "argument", "variables"),
    [
        ("$id: String!, ", "id: $id, ", {"id": "@", "input": {"metadata": {"seen": 1}}}),
        ("", "", {"input": {"id": "@", "metadata": {"seen": 1}}}),
        ("", "", {"id": "@", "input": {"metadata": {"seen": 1}}}),
    ],
    ids=["argument", "in the input", "undeclared variable"],
)
async def test_row_2_the_id_of_an_update_is_found_wherever_it_stands(
    shop: Caller, name: str, declaration: str, argument: str, variables: dict[str, Any]
) -> None:
    kind = name.removeprefix("update")
    object_id = {"Feature": "api-calls", "Package": "pro-plan"}[kind]
    document = (
        f"mutation ({declaration}$input: Update{kind}Input!) {{ {name}({argument}input: $input) {{ id metadata }} }}"
    )

    data = await shop.data(document, json.loads(json.dumps(variables).replace("@", object_id)))

    assert data == {name: {"id": object_id, "metadata": {"seen": 1}}}


@pytest.mark.parametrize("name", ["updateFeature", "updatePackage"])
async def test_row_2_an_update_without_any_id_is_refused(shop: Caller, name: str) -> None:
    error = await shop.refusal(f"mutation {{ {name}(input: {{metadata: {{}}}}) {{ id }} }}")

    assert error["message"] == "id: is required: say which one to update"
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["field"] == "id"


@pytest.mark.parametrize("declared", ["CreateUserInput!", "UpdateUserInput!"])
async def test_row_3_update_user_takes_its_input_declared_as_either_type(shop: Caller, declared: str) -> None:
    document = f"mutation ($id: String!, $input: {declared}) {{ updateUser(id: $id, input: $input) {{ id name }} }}"

    data = await shop.data(document, {"id": "124", "input": {"id": "125", "name": "New"}})

    assert data == {"updateUser": {"id": "125", "name": "New"}}


async def test_row_3_update_user_keeps_the_id_when_none_is_given_and_changes_email_and_billing_id(shop: Caller) -> None:
    document = "mutation ($input: UpdateUserInput!) { updateUser(id: 124, input: $input) { id email billingId } }"

    data = await shop.data(document.replace("124", '"124"'), {"input": {"email": "a@b.test", "billingId": "cus_1"}})

    assert data == {"updateUser": {"id": "124", "email": "a@b.test", "billingId": "cus_1"}}


@pytest.mark.parametrize("features", [_TERMS, [_TERMS]], ids=["one object", "a list"])
async def test_row_4_the_features_of_a_package_are_one_object_or_a_list(shop: Caller, features: object) -> None:
    document = "mutation ($input: CreatePackageInput!) { createPackage(input: $input) { features { id limit } } }"

    data = await shop.data(document, {"input": {"id": "new-plan", "features": features}})

    assert data == {"createPackage": {"features": [{"id": "api-calls", "limit": 1000}]}}


async def test_row_5_a_limit_is_a_number(shop: Caller) -> None:
    data = await shop.data('{ package(id: "pro-plan") { features { limit } } }')

    assert data == {"package": {"features": [{"limit": 1000}]}}


async def test_row_5_a_limit_is_a_string_for_those_who_set_it_so(documents_caller: Caller) -> None:
    await documents_caller.rest("POST", "/features", **_FEATURE)
    unlimited = {"id": "messages", "entitlement": {"resetPeriod": "MONTH"}}
    await documents_caller.rest("POST", "/features", id="messages", type="CONSUMABLE")
    await documents_caller.rest("POST", "/packages", id="pro-plan", features=[_TERMS, unlimited])

    data = await documents_caller.data('{ package(id: "pro-plan") { features { limit } } }')

    assert data == {"package": {"features": [{"limit": "1000"}, {"limit": None}]}}


@pytest.mark.parametrize("delta", [5, "5"])
async def test_row_5_a_number_may_come_as_a_string(shop: Caller, delta: int | str) -> None:
    document = "mutation ($input: CreateUsageEventInput!) { recordUsage(input: $input) { consumption { used } } }"

    data = await shop.data(document, {"input": {"userId": "124", "featureId": "api-calls", "delta": delta}})

    assert data == {"recordUsage": {"consumption": {"used": 5}}}


@pytest.mark.parametrize("delta", [1001, "1001"])
async def test_row_5_a_number_may_come_as_a_string_in_a_variable_of_its_own(shop: Caller, delta: int | str) -> None:
    document = 'query ($delta: Int) { canUseFeature(userId: "124", featureId: "api-calls", delta: $delta) { access } }'

    assert await shop.data(document, {"delta": delta}) == {"canUseFeature": {"access": False}}


@pytest.mark.parametrize("given", [[{"delta": "5"}, {"delta": 3}, {"delta": "-2"}], [{"delta": "6"}], {"delta": "6"}])
async def test_row_5_a_number_may_come_as_a_string_within_a_list(shop: Caller, given: Any) -> None:
    document = """mutation ($input: [CreateUsageEventInput!]!) {
      recordUsages(input: $input, allOrNothing: true) { recorded results { consumption { used } } }
    }"""
    call = {"userId": "124", "featureId": "api-calls"}
    events = [call | event for event in given] if isinstance(given, list) else call | given

    data = await shop.data(document, {"input": events})

    assert data["recordUsages"]["recorded"] is True
    assert data["recordUsages"]["results"][-1] == {"consumption": {"used": 6}}


@pytest.mark.parametrize("delta", ["five", "", " 5", "5.0", "1e2", "0x5", "99999999999"])
async def test_row_5_a_string_that_is_no_number_is_refused_with_its_place_in_the_list(shop: Caller, delta: str) -> None:
    document = "mutation ($input: [CreateUsageEventInput!]!) { recordUsages(input: $input) { recorded } }"
    call = {"userId": "124", "featureId": "api-calls"}

    error = await shop.refusal(document, {"input": [call, call | {"delta": delta}]})

    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "[1].delta" in error["message"]


async def test_row_5_the_numbers_of_a_reservation_may_come_as_strings(shop: Caller) -> None:
    reserve = """mutation ($delta: Int, $ttlSeconds: Int) {
      reserveUsage(userId: "124", featureId: "api-calls", delta: $delta, ttlSeconds: $ttlSeconds) {
        reservation { id amount }
      }
    }"""
    commit = """mutation ($id: String!, $delta: Int) {
      commitReservation(id: $id, delta: $delta) { consumption { used reserved } }
    }"""

    made = await shop.data(reserve, {"delta": "75", "ttlSeconds": "60"})
    settled = await shop.data(commit, {"id": made["reserveUsage"]["reservation"]["id"], "delta": "40"})

    assert made["reserveUsage"]["reservation"]["amount"] == 75
    assert settled == {"commitReservation": {"consumption": {"used": 40, "reserved": 0}}}


async def test_row_6_can_use_feature_may_be_unwrapped_or_wrapped_in_data(shop: Caller) -> None:
    selected = "access consumption { used budget overageEnabled }"
    call = 'canUseFeature(userId: "124", featureId: "api-calls")'
    answer = {"access": True, "consumption": {"used": 0, "budget": 1000, "overageEnabled": False}}

    assert await shop.data(f"{{ {call} {{ {selected} }} }}") == {"canUseFeature": answer}
    assert await shop.data(f"{{ {call} {{ data {{ {selected} }} }} }}") == {"canUseFeature": {**answer, "data": answer}}


@pytest.mark.parametrize("selection", ["", "{ token }"])
async def test_row_7_a_user_token_comes_with_or_without_a_selection(shop: Caller, selection: str) -> None:
    data = await shop.data(f'mutation {{ generateUserToken(userId: "124") {selection} }}')

    assert list(data["generateUserToken"]) == ["token"]
    assert data["generateUserToken"]["token"].count(".") == 2


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        ("query ($status: String!) { packages(status: $status) { id } }", {"status": "DRAFT"}),
        ("query ($status: PackageStatus!) { packages(status: $status) { id } }", {"status": "DRAFT"}),
        ('{ packages(status: "DRAFT") { id } }', None),
        ("{ packages(status: DRAFT) { id } }", None),
        ('{ packages(status: "draft") { id } }', None),
    ],
)
async def test_row_9_a_status_is_a_string_or_an_enum_value(
    shop: Caller, document: str, variables: dict[str, Any] | None
) -> None:
    assert await shop.data(document, variables) == {"packages": [{"id": "gold-plan"}]}


async def test_row_9_published_is_the_default_all_is_every_status_and_another_word_is_refused(shop: Caller) -> None:
    assert await shop.data("{ packages { id } }") == {"packages": [{"id": "pro-plan"}]}
    assert await shop.data("{ packages(status: ALL) { id } }") == {
        "packages": [{"id": "pro-plan"}, {"id": "gold-plan"}]
    }
    error = await shop.refusal('{ packages(status: "SOLD") { id } }')
    assert error["message"] == "status: must be one of DRAFT, PUBLISHED, ARCHIVED, ALL"


async def test_row_10_include_features_is_accepted_and_ignored(shop: Caller) -> None:
    document = '{ package(id: "pro-plan", includeFeatures: true) { id } packages(includeFeatures: false) { id } }'

    assert await shop.data(document) == {"package": {"id": "pro-plan"}, "packages": [{"id": "pro-plan"}]}


@pytest.mark.parametrize(("user_id", "found"), [("124", [{"id": "124"}]), ("125", [])])
async def test_row_11_users_may_be_asked_for_by_id(shop: Caller, user_id: str, found: list[dict[str, str]]) -> None:
    assert await shop.data("query ($id: String) { users(id: $id) { id } }", {"id": user_id}) == {"users": found}


@pytest.mark.parametrize("declared", ["String", "String!"])
async def test_row_13_subscriptions_take_a_user_or_none(shop: Caller, declared: str) -> None:
    document = f"query ($userId: {declared}) {{ subscriptions(userId: $userId) {{ userId }} }}"

    assert await shop.data(document, {"userId": "124"}) == {"subscriptions": [{"userId": "124"}]}
    assert await shop.data("{ subscriptions { userId } }") == {"subscriptions": [{"userId": "124"}]}


async def test_rows_14_and_15_new_subscriptions_are_active_and_everything_has_metadata(shop: Caller) -> None:
    await shop.rest("POST", "/users", id="125")
    document = """mutation {
      subscribe(userId: "125", packageIds: ["pro-plan"], metadata: {campaign: "May"}) {
        status metadata package { metadata features { metadata } }
      }
    }"""

    assert await shop.data(document) == {
        "subscribe": [
            {
                "status": "ACTIVE",
                "metadata": {"campaign": "May"},
                "package": {"metadata": {}, "features": [{"metadata": {}}]},
            }
        ]
    }


async def test_row_16_a_price_that_is_paid_once_has_no_interval(shop: Caller, tenant: Tenant) -> None:
    _link_price(tenant.actor)

    data = await shop.data('{ package(id: "gold-plan") { prices { displayAmount interval } } }')

    assert data == {"package": {"prices": [{"displayAmount": "20.00", "interval": None}]}}


async def test_row_17_the_consumption_of_a_period_is_an_object(shop: Caller) -> None:
    document = (
        '{ showUsage(userId: "124", featureId: "api-calls") { current { consumption { used } } past { periodStart } } }'
    )

    assert await shop.data(document) == {"showUsage": {"current": {"consumption": {"used": 0}}, "past": []}}


async def test_row_25_former_names_still_work(shop: Caller) -> None:
    await shop.rest("POST", "/users", id="125")

    plans = await shop.data("{ plans { id name } }")
    subscribed = await shop.data(
        'mutation ($planIds: [String!]!) { subscribe(planIds: $planIds, userId: "125") { plan { id } } }',
        {"planIds": ["pro-plan"]},
    )
    event = await shop.data('mutation { createUsageEvent(input: {userId: "125", featureId: "api-calls"}) }')

    assert plans == {"plans": [{"id": "pro-plan", "name": "pro-plan"}]}
    assert subscribed == {"subscribe": [{"plan": {"id": "pro-plan"}}]}
    assert event == {"createUsageEvent": True}


async def test_row_25_plan_ids_of_kanas_own_making_were_numbers(shop: Caller) -> None:
    await shop.rest("POST", "/packages", id="21", features=[_TERMS])
    await shop.rest("POST", "/packages/21/publish")
    await shop.rest("POST", "/users", id="125")

    data = await shop.data(
        'mutation ($planIds: [Int!]!) { subscribe(planIds: $planIds, userId: "125") { plan { id } } }',
        {"planIds": [21]},
    )

    assert data == {"subscribe": [{"plan": {"id": "21"}}]}


async def test_row_26_a_body_that_is_not_json_is_a_clear_400(caller: Caller) -> None:
    answer = await caller.http.post("/graphql", content=b'{"query": "{ users { id } }", "variables": {"id: 1}}')

    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["message"].startswith("body: ")


async def test_row_28_an_id_that_is_a_number_is_refused_as_graphql_does(shop: Caller) -> None:
    error = await shop.refusal("query ($id: String!) { user(id: $id) { id } }", {"id": 124})

    assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_row_29_without_an_entitlement_a_consumable_feature_is_unlimited_by_the_month(shop: Caller) -> None:
    document = """mutation {
      createPackage(input: {id: "free-plan", features: [{id: "api-calls"}]}) {
        features { limit resetPeriod overageEnabled }
      }
    }"""

    assert await shop.data(document) == {
        "createPackage": {"features": [{"limit": None, "resetPeriod": "MONTH", "overageEnabled": False}]}
    }


async def test_variables_may_be_a_json_string(shop: Caller) -> None:
    data = await shop.data("query ($id: String!) { user(id: $id) { id } }", json.dumps({"id": "124"}))

    assert data == {"user": {"id": "124"}}


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", None])
async def test_a_body_needs_no_json_content_type(shop: Caller, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}

    answer = await shop.http.post("/graphql", content=b'{"query": "{ users { id } }"}', headers=headers)

    assert answer.json() == {"data": {"users": [{"id": "124"}]}}


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer {}"])
async def test_a_key_comes_with_or_without_bearer(shop: Caller, tenant: Tenant, form: str) -> None:
    headers = {"Authorization": form.format(tenant.secret_key)}

    answer = await shop.http.post("/graphql", json={"query": "{ users { id } }"}, headers=headers)

    assert answer.json() == {"data": {"users": [{"id": "124"}]}}


@pytest.mark.parametrize("credential", ["", "prv_test_" + "0" * 32, "PUBLIC", "TOKEN", "junk"])
async def test_whatever_is_no_secret_key_is_refused_in_the_form_that_kanas_client_knows(
    shop: Caller, tenant: Tenant, credential: str
) -> None:
    token = (await shop.rest("POST", "/users/124/token"))["token"]
    presented = {"PUBLIC": tenant.public_key, "TOKEN": token}.get(credential, credential)

    graphql = await shop.http.post("/graphql", json={"query": "{ users { id } }"}, headers={"Authorization": presented})
    rest = await shop.http.get("/v1/users", headers={"Authorization": presented})

    (error,) = graphql.json()["errors"]
    assert graphql.status_code == httpx.codes.OK
    assert "data" not in graphql.json()
    assert error["message"].startswith("Unauthenticated")
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert error["extensions"]["exception"] == {"name": "AuthenticationError", "message": error["message"]}
    assert (rest.status_code, rest.json()["code"]) == (401, "UNAUTHENTICATED")
    assert rest.json()["detail"] == error["message"]


def _link_price(actor: Actor) -> None:
    link_price(
        actor, LinkPrice(id="gold-20gbp", package_id="gold-plan", price_id="price_1", amount=2000, currency="gbp")
    )
