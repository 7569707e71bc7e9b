"""What must not get in is refused by both doors with the same words, names the field, and leaves nothing behind."""

from typing import Any

import pytest

from tests.contract.callers import Caller
from tests.tenants import Tenant

_LONG_ID = "x" * 256
_BIG = {"text": "x" * (16 * 1024)}


def _nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"inner": value}
    return value


async def _everything(caller: Caller) -> dict[str, Any]:
    """All that a tenant has, to compare before and after."""
    return await caller.data("""{
      features { id name unitLabel unitLabelPlural metadata }
      packages(status: ALL) { id name isAddon status updatedAt metadata basePackageIds features { id limit } }
      users { id billingId name email metadata }
      subscriptions { id userId status endsAt metadata package { id } }
      showUsage(userId: "124", featureId: "api-calls") { current { consumption { used } } }
    }""")


@pytest.fixture
async def shop(caller: Caller) -> Caller:
    await caller.rest("POST", "/features", id="api-calls", type="CONSUMABLE")
    await caller.rest("POST", "/features", id="support", type="BINARY")
    terms = {"id": "api-calls", "entitlement": {"limit": 10, "resetPeriod": "MONTH"}}
    for package_id in ("pro-plan", "draft-plan"):
        await caller.rest("POST", "/packages", id=package_id, features=[terms])
    await caller.rest("POST", "/packages", id="addon", isAddon=True, features=[terms])
    await caller.rest("POST", "/packages/pro-plan/publish")
    await caller.rest("POST", "/users", id="124")
    await caller.rest("POST", "/subscriptions", userId="124", packageIds=["pro-plan"])
    return caller


# What is asked of both doors: the mutation with its input, the path and the body of its twin, the field that is named.
_CREATE_FEATURE = ("createFeature", "CreateFeatureInput!", "POST", "/features")
_CREATE_PACKAGE = ("createPackage", "CreatePackageInput!", "POST", "/packages")
_CREATE_USER = ("createUser", "CreateUserInput!", "POST", "/users")
_RECORD_USAGE = ("recordUsage", "CreateUsageEventInput!", "POST", "/usage")

_REFUSED = [
    (_CREATE_FEATURE, {"id": "", "type": "BINARY"}, "id"),
    (_CREATE_FEATURE, {"id": _LONG_ID, "type": "BINARY"}, "id"),
    (_CREATE_FEATURE, {"id": "a\nb", "type": "BINARY"}, "id"),
    (_CREATE_FEATURE, {"id": "a\x7fb", "type": "BINARY"}, "id"),
    (_CREATE_FEATURE, {"id": "new", "type": "BINARY", "name": "x" * 256}, "name"),
    (_CREATE_FEATURE, {"id": "new", "type": "BINARY", "name": "tab\there"}, "name"),
    (_CREATE_FEATURE, {"id": "new", "type": "BINARY", "unitLabel": "Call"}, "unitLabel"),
    (_CREATE_FEATURE, {"id": "new", "type": "BINARY", "metadata": _BIG}, "metadata"),
    (_CREATE_FEATURE, {"id": "new", "type": "BINARY", "metadata": _nested(17)}, "metadata"),
    (_CREATE_FEATURE, {"id": "new", "type": "BINARY", "metadata": {"nul": "\0"}}, "metadata"),
    (_CREATE_PACKAGE, {"id": "new", "features": [{"id": "nothing"}]}, "features[0].id"),
    (_CREATE_PACKAGE, {"id": "new", "features": [{"id": "support"}, {"id": "support"}]}, "features[1].id"),
    (
        _CREATE_PACKAGE,
        {"id": "new", "features": [{"id": "support", "entitlement": {"limit": 1, "resetPeriod": "MONTH"}}]},
        "features[0].entitlement",
    ),
    (
        _CREATE_PACKAGE,
        {"id": "new", "features": [{"id": "api-calls", "entitlement": {"limit": -1, "resetPeriod": "MONTH"}}]},
        "features[0].entitlement.limit",
    ),
    (_CREATE_PACKAGE, {"id": "new", "features": [], "basePackageIds": ["pro-plan"]}, "basePackageIds"),
    (
        _CREATE_PACKAGE,
        {"id": "new", "isAddon": True, "features": [], "basePackageIds": ["nothing"]},
        "basePackageIds[0]",
    ),
    (_CREATE_PACKAGE, {"id": "new", "isAddon": True, "features": [], "basePackageIds": ["addon"]}, "basePackageIds[0]"),
    (_CREATE_USER, {"id": "125", "email": "not an address"}, "email"),
    (_CREATE_USER, {"id": "125", "email": "a@b@c"}, "email"),
    (_CREATE_USER, {"id": "125", "billingId": "x" * 256}, "billingId"),
    (_RECORD_USAGE, {"userId": "124", "featureId": "api-calls", "delta": 0}, "delta"),
    (_RECORD_USAGE, {"userId": "124", "featureId": "api-calls", "delta": -1, "action": "SET"}, "delta"),
    (_RECORD_USAGE, {"userId": "124", "featureId": "api-calls", "idempotencyKey": ""}, "idempotencyKey"),
    (_RECORD_USAGE, {"userId": "124", "featureId": "api-calls", "idempotencyKey": "k" * 256}, "idempotencyKey"),
    (_RECORD_USAGE, {"userId": "", "featureId": "api-calls"}, "userId"),
]


@pytest.mark.parametrize(
    ("operation", "given", "field"), _REFUSED, ids=[f"{op[0]}-{n}-{field}" for n, (op, _, field) in enumerate(_REFUSED)]
)
async def test_a_broken_rule_is_refused_in_the_same_words_by_both_doors(
    shop: Caller, operation: tuple[str, str, str, str], given: dict[str, Any], field: str
) -> None:
    name, input_type, method, path = operation
    before = await _everything(shop)
    selection = "{ recorded }" if name == "recordUsage" else "{ id }"

    error = await shop.refusal(
        f"mutation ($input: {input_type}) {{ {name}(input: $input) {selection} }}", {"input": given}
    )
    problem = await shop.http.request(method, f"/v1{path}", json=given)

    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["exception"]["name"] == "InvalidInputError"
    assert error["extensions"]["field"] == field
    assert problem.status_code == 422
    assert problem.headers["content-type"] == "application/problem+json"
    assert (problem.json()["code"], problem.json()["field"]) == ("BAD_USER_INPUT", field)
    assert problem.json()["detail"] == error["message"]
    assert await _everything(shop) == before


_LONG = "x" * 256

_REFUSED_ARGUMENTS = [
    ('mutation { subscribe(userId: "124", packageIds: []) { id } }', "POST", "/subscriptions", {"userId": "124", "packageIds": []}, "packageIds"),
    ('mutation { subscribe(userId: "124", packageIds: ["addon", "addon"]) { id } }', "POST", "/subscriptions", {"userId": "124", "packageIds": ["addon", "addon"]}, "packageIds[1]"),
    ('mutation { subscribe(userId: "124", packageIds: ["addon"], trialDays: 0) { id } }', "POST", "/subscriptions", {"userId": "124", "packageIds": ["addon"], "trialDays": 0}, "trialDays"),
    ('mutation { subscribe(userId: "124", packageIds: ["addon"], trialDays: 731) { id } }', "POST", "/subscriptions", {"userId": "124", "packageIds": ["addon"], "trialDays": 731}, "trialDays"),
    (f'mutation {{ subscribe(userId: "{_LONG}", packageIds: ["addon"]) {{ id }} }}', "POST", "/subscriptions", {"userId": _LONG, "packageIds": ["addon"]}, "userId"),
    ('mutation { updateFeature(id: "support", input: {unitLabel: "Call"}) { id } }', "PATCH", "/features/support", {"unitLabel": "Call"}, "unitLabel"),
    ('mutation { updateUser(id: "124", input: {email: "nobody"}) { id } }', "PATCH", "/users/124", {"email": "nobody"}, "email"),
    ('mutation { updateUser(id: "124", input: {id: ""}) { id } }', "PATCH", "/users/124", {"id": ""}, "id"),
    ('mutation { updatePackage(id: "draft-plan", input: {features: [{id: "nothing"}]}) { id } }', "PATCH", "/packages/draft-plan", {"features": [{"id": "nothing"}]}, "features[0].id"),
    ('mutation { updatePackage(id: "draft-plan", input: {basePackageIds: ["pro-plan"]}) { id } }', "PATCH", "/packages/draft-plan", {"basePackageIds": ["pro-plan"]}, "basePackageIds"),
    (f'mutation {{ duplicatePackage(id: "pro-plan", newId: "{_LONG}") {{ id }} }}', "POST", "/packages/pro-plan/duplicate", {"newId": _LONG}, "newId"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "method", "path", "body", "field"),
    _REFUSED_ARGUMENTS,
    ids=[f"{row[1]}-{row[2]}-{row[4]}" for row in _REFUSED_ARGUMENTS],
)
async def test_a_broken_rule_in_a_change_is_refused_in_the_same_words_by_both_doors(
    shop: Caller, document: str, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    before = await _everything(shop)

    error = await shop.refusal(document)
    problem = await shop.http.request(method, f"/v1{path}", json=body)

    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", field)
    assert (problem.status_code, problem.json()["field"], problem.json()["detail"]) == (422, field, error["message"])
    assert await _everything(shop) == before


async def test_a_change_to_an_unknown_package_or_of_a_published_one_is_refused_by_both_doors(shop: Caller) -> None:
    before = await _everything(shop)
    held = (await shop.rest("GET", "/subscriptions"))["data"][0]["id"]

    for document, method, path, body, status, name in (
        (f'mutation {{ changeSubscription(id: "{held}", packageId: "nothing") {{ id }} }}', "POST", f"/subscriptions/{held}/change", {"packageId": "nothing"}, 404, "PackageNotFoundError"),
        (f'mutation {{ changeSubscription(id: "{held}", packageId: "draft-plan") {{ id }} }}', "POST", f"/subscriptions/{held}/change", {"packageId": "draft-plan"}, 409, "PackageStatusError"),
        ('mutation { updatePackage(id: "pro-plan", input: {name: "New"}) { id } }', "PATCH", "/packages/pro-plan", {"name": "New"}, 409, "PackageStatusError"),
        ('mutation { archivePackage(id: "draft-plan") { id } }', "POST", "/packages/draft-plan/archive", None, 409, "PackageStatusError"),
        ('mutation { deletePackage(id: "pro-plan") { id } }', "DELETE", "/packages/pro-plan", None, 409, "InUseError"),
        ('mutation { deleteFeature(id: "api-calls") { id } }', "DELETE", "/features/api-calls", None, 409, "InUseError"),
    ):  # fmt: skip
        error = await shop.refusal(document)
        problem = await shop.http.request(method, f"/v1{path}", json=body)

        assert error["extensions"]["exception"]["name"] == name
        assert (problem.status_code, problem.json()["name"], problem.json()["detail"]) == (
            status,
            name,
            error["message"],
        )
    assert await _everything(shop) == before


# Types are the schema's matter in GraphQL and the struct's in REST: the words differ, the refusal does not.
_WRONG_TYPES = [
    (_CREATE_FEATURE, {"id": 5, "type": "BINARY"}, "id"),
    (_CREATE_FEATURE, {"id": "new", "type": "COUNTED"}, "type"),
    (_CREATE_FEATURE, {"id": "new"}, "type"),
    (_CREATE_FEATURE, {"id": "new", "type": "BINARY", "colour": "red"}, "colour"),
    (
        _CREATE_PACKAGE,
        {"id": "new", "features": [{"id": "api-calls", "entitlement": {"resetPeriod": "WEEK"}}]},
        "features[0].entitlement.resetPeriod",
    ),
    (
        _CREATE_PACKAGE,
        {"id": "new", "features": [{"id": "api-calls", "entitlement": {"limit": 1.5, "resetPeriod": "DAY"}}]},
        "features[0].entitlement.limit",
    ),
    (_RECORD_USAGE, {"userId": "124", "featureId": "api-calls", "delta": 2**31}, "delta"),
    (_RECORD_USAGE, {"userId": "124", "featureId": "api-calls", "delta": True}, "delta"),
    (_RECORD_USAGE, {"userId": "124", "featureId": "api-calls", "delta": "many"}, "delta"),
    (_RECORD_USAGE, {"featureId": "api-calls"}, "userId"),
]


@pytest.mark.parametrize(
    ("operation", "given", "field"),
    _WRONG_TYPES,
    ids=[f"{op[0]}-{n}-{field}" for n, (op, _, field) in enumerate(_WRONG_TYPES)],
)
async def test_a_wrong_type_is_refused_by_both_doors(
    shop: Caller, operation: tuple[str, str, str, str], given: dict[str, Any], field: str
) -> None:
    name, input_type, method, path = operation
    before = await _everything(shop)
    selection = "{ recorded }" if name == "recordUsage" else "{ id }"

    error = await shop.refusal(
        f"mutation ($input: {input_type}) {{ {name}(input: $input) {selection} }}", {"input": given}
    )
    problem = await shop.http.request(method, f"/v1{path}", json=given)

    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert field.rpartition(".")[2] in error["message"]
    assert (problem.status_code, problem.json()["field"]) == (422, field)
    assert await _everything(shop) == before


@pytest.mark.parametrize("whose", ["nobody's", "another tenant's"])
@pytest.mark.parametrize(
    ("document", "method", "path", "name"),
    [
        ('{ feature(id: "@") { id } }', "GET", "/features/@", "FeatureNotFoundError"),
        ('mutation { deleteFeature(id: "@") { id } }', "DELETE", "/features/@", "FeatureNotFoundError"),
        ('{ package(id: "@") { id } }', "GET", "/packages/@", "PackageNotFoundError"),
        ('mutation { publishPackage(id: "@") { id } }', "POST", "/packages/@/publish", "PackageNotFoundError"),
        ('mutation { archivePackage(id: "@") { id } }', "POST", "/packages/@/archive", "PackageNotFoundError"),
        ('mutation { deletePackage(id: "@") { id } }', "DELETE", "/packages/@", "PackageNotFoundError"),
        ('{ user(id: "@") { id } }', "GET", "/users/@", "UserNotFoundError"),
        ('mutation { generateUserToken(userId: "@") }', "POST", "/users/@/token", "UserNotFoundError"),
        ('{ subscriptions(userId: "@") { id } }', "GET", "/subscriptions?userId=@", "UserNotFoundError"),
        (
            '{ canUseFeature(userId: "@", featureId: "api-calls") { access } }',
            "GET",
            "/users/@/features/api-calls/access",
            "UserNotFoundError",
        ),
        (
            '{ canUseFeature(userId: "124", featureId: "@") { access } }',
            "GET",
            "/users/124/features/@/access",
            "FeatureNotFoundError",
        ),
        (
            '{ showUsage(userId: "124", featureId: "@") { current { periodStart } } }',
            "GET",
            "/users/124/features/@/usage",
            "FeatureNotFoundError",
        ),
    ],
)
async def test_another_tenants_id_looks_exactly_like_an_unknown_one(
    shop: Caller, other_tenant: Tenant, web: Any, whose: str, document: str, method: str, path: str, name: str
) -> None:
    if whose == "another tenant's":
        other = Caller(web, other_tenant.secret_key)
        await other.rest("POST", "/features", id="theirs", type="CONSUMABLE")
        await other.rest("POST", "/packages", id="theirs", features=[])
        await other.rest("POST", "/users", id="theirs")

    error = await shop.refusal(document.replace("@", "theirs"))
    problem = await shop.http.request(method, f"/v1{path.replace('@', 'theirs')}")

    message = f"{name.removesuffix('NotFoundError')} Id not found for app"
    assert error["message"] == message
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "exception": {"name": name, "message": message}}
    assert (problem.status_code, problem.json()["name"], problem.json()["detail"]) == (404, name, message)


async def test_another_tenants_subscription_looks_exactly_like_an_unknown_one(
    shop: Caller, other_tenant: Tenant, web: Any
) -> None:
    theirs = (await shop.rest("GET", "/subscriptions"))["data"][0]["id"]
    stranger = Caller(web, other_tenant.secret_key)

    for subscription_id in (theirs, "999999999", "0", "007", "-1", "9" * 30, "abc", "²"):
        error = await stranger.refusal("query ($id: String!) { subscription(id: $id) { id } }", {"id": subscription_id})
        problem = await stranger.http.post(f"/v1/subscriptions/{subscription_id}/cancel")

        assert error["message"] == "Subscription Id not found for app"
        assert (problem.status_code, problem.json()["detail"]) == (404, "Subscription Id not found for app")
    assert (await shop.rest("GET", f"/subscriptions/{theirs}"))["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        (_CREATE_FEATURE, {"id": "api-calls", "type": "BINARY"}),
        (_CREATE_PACKAGE, {"id": "pro-plan", "features": []}),
        (_CREATE_USER, {"id": "124", "name": "Another"}),
    ],
)
async def test_an_id_that_is_taken_is_a_conflict(
    shop: Caller, operation: tuple[str, str, str, str], given: dict[str, Any]
) -> None:
    name, input_type, method, path = operation
    before = await _everything(shop)

    error = await shop.refusal(f"mutation ($i: {input_type}) {{ {name}(input: $i) {{ id }} }}", {"i": given})
    problem = await shop.http.request(method, f"/v1{path}", json=given)

    assert error["extensions"]["exception"]["name"] == "AlreadyExistsError"
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["message"].endswith(f"with the id {given['id']!r} exists already")
    assert (problem.status_code, problem.json()["detail"]) == (409, error["message"])
    assert await _everything(shop) == before


async def test_an_unknown_operation_name_is_refused(shop: Caller) -> None:
    answer = await shop.http.post(
        "/graphql", json={"query": "query A { users { id } } query B { users { id } }", "operationName": "C"}
    )

    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "C" in error["message"]
    assert "data" not in answer.json()


async def test_a_mutation_by_get_is_refused_and_does_nothing(shop: Caller) -> None:
    before = await _everything(shop)

    answer = await shop.http.get("/graphql", params={"query": 'mutation { createUser(input: {id: "125"}) { id } }'})

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert await _everything(shop) == before


@pytest.mark.parametrize("path", ["/graphql", "/v1/users"])
async def test_a_body_over_the_limit_is_refused(shop: Caller, path: str) -> None:
    before = await _everything(shop)

    answer = await shop.http.post(path, json={"id": "125", "query": "x" * 1_000_001})

    assert answer.status_code == 413
    assert await _everything(shop) == before


async def test_rest_wants_json_to_be_called_so(shop: Caller) -> None:
    answer = await shop.http.post("/v1/users", content=b'{"id": "125"}', headers={"Content-Type": "text/plain"})

    assert (answer.status_code, answer.json()["name"]) == (415, "UnsupportedMediaTypeError")
    assert (await shop.http.get("/v1/users/125")).status_code == 404
