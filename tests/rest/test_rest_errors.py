"""What the REST door refuses, and how it says so."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app import errors
from app.errors import InvalidInputError, MeterlineError
from app.rest.errors import FAULT, HTTP_KINDS, KINDS, kind_of
from app.settings import settings
from tests.rest.door import Door, api_calls
from tests.tenants import Tenant

JSON = {"Content-Type": "application/json"}


def tree(error: type[MeterlineError]) -> Iterator[type[MeterlineError]]:
    yield error
    for child in error.__subclasses__():
        yield from tree(child)


def test_every_error_has_a_row_of_its_own() -> None:
    declared = {error for error in tree(MeterlineError) if error.__module__ == errors.__name__}

    assert declared - {MeterlineError} == set(KINDS)


def test_a_new_error_is_answered_as_its_parent_is() -> None:
    class NewConflictError(errors.InUseError):
        pass

    assert kind_of(NewConflictError) is KINDS[errors.InUseError]
    assert kind_of(MeterlineError) is FAULT


def test_no_two_kinds_from_http_share_a_status() -> None:
    statuses = [kind.status for kind in HTTP_KINDS.values()]

    assert sorted(statuses) == sorted(set(statuses))


async def test_a_problem_has_all_members_and_the_media_type(rest: Door) -> None:
    refused = await rest.get("/v1/users/nobody")

    problem = refused.json()
    assert (refused.status_code, refused.headers["content-type"]) == (404, "application/problem+json")
    assert refused.headers["cache-control"] == "no-store"
    assert problem.pop("requestId") == refused.headers["x-request-id"]
    assert problem == {
        "type": "/docs/problems#UserNotFoundError",
        "title": "User not found",
        "status": 404,
        "detail": "User Id not found for app",
        "code": "BAD_USER_INPUT",
        "name": "UserNotFoundError",
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/users"),
        ("GET", "/v1/users/ada?nonsense=1"),
        ("GET", "/v1/users/%00"),
        ("POST", "/v1/users"),
        ("PATCH", "/v1/features/x"),
        ("DELETE", "/v1/packages/x"),
        ("POST", "/v1/usage"),
    ],
)
async def test_a_stranger_is_told_to_authenticate_and_nothing_else(stranger: Door, method: str, path: str) -> None:
    refused = await stranger.request(method, path, content=b"{" if method != "GET" else None)

    problem = refused.json()
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert (problem["code"], problem["name"], problem["title"]) == (
        "UNAUTHENTICATED",
        "AuthenticationError",
        "Unauthenticated",
    )
    assert problem["detail"].startswith("Unauthenticated")


async def test_only_a_secret_key_opens_the_door(rest: Door, tenant: Tenant) -> None:
    await rest.made("/v1/users", id="ada")
    token = (await rest.made("/v1/users/ada/token"))["token"]
    secret = tenant.secret_key

    statuses = {
        what: (await rest.get("/v1/users", headers={"Authorization": value})).status_code
        for what, value in {
            "secret": secret,
            "bearer": f"Bearer {secret}",
            "lower-case bearer": f"bearer {secret}",
            "public": tenant.public_key,
            "user token": f"Bearer {token}",
            "almost": secret[:-1] + ("0" if secret[-1] != "0" else "1"),
            "basic": f"Basic {secret}",
            "empty": "",
        }.items()
    }

    assert statuses == {
        "secret": 200,
        "bearer": 200,
        "lower-case bearer": 200,
        "public": 401,
        "user token": 401,
        "almost": 401,
        "basic": 401,
        "empty": 401,
    }


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/nothing", "/v1/users/ada/nothing", "/v1/users/a/b"])
async def test_an_unknown_path_is_a_problem_too(rest: Door, path: str) -> None:
    refused = await rest.get(path)

    assert (refused.status_code, refused.headers["content-type"]) == (404, "application/problem+json")
    assert (refused.json()["name"], refused.json()["code"]) == ("RouteNotFoundError", "BAD_USER_INPUT")


async def test_a_wrong_method_is_told_which_are_right(rest: Door) -> None:
    refused = await rest.put("/v1/users/ada", json={})

    assert (refused.status_code, refused.json()["name"]) == (405, "MethodNotAllowedError")
    assert set(refused.headers["allow"].split(", ")) == {"GET", "PATCH", "OPTIONS"}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "body: must be a JSON object, is empty"),
        (b"{", "body: Input data was truncated"),
        (b'{"id": "ada",}', "body: JSON is malformed: trailing comma in object (byte 13)"),
        (b"\xff\xfe", "body: JSON is malformed: invalid character (byte 0)"),
        (b'{"id": NaN}', "body: JSON is malformed: invalid character (byte 7)"),
        (b"[" * 100_000, "body: is nested too deeply"),
    ],
)
async def test_a_body_that_is_no_json_is_malformed(rest: Door, body: bytes, detail: str) -> None:
    refused = await rest.post("/v1/users", content=body, headers=JSON)

    assert (refused.status_code, refused.json()["name"]) == (400, "MalformedRequestError")
    assert refused.json()["detail"] == detail
    assert await rest.total("/v1/users") == 0


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"],
)
async def test_a_body_must_be_declared_as_json(rest: Door, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}

    refused = await rest.post("/v1/users", content=b'{"id": "ada"}', headers=headers)

    assert (refused.status_code, refused.json()["name"]) == (415, "UnsupportedMediaTypeError")
    assert refused.json()["detail"] == f"Content-Type must be application/json, is {content_type or 'absent'}"
    assert await rest.total("/v1/users") == 0


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/a+json"])
async def test_json_may_be_declared_in_several_ways(rest: Door, content_type: str) -> None:
    created = await rest.post("/v1/users", content=b'{"id": "ada"}', headers={"Content-Type": content_type})

    assert created.status_code == 201


async def test_a_body_over_the_limit_is_refused(rest: Door) -> None:
    body = json.dumps({"id": "ada", "name": "x" * settings().max_body_bytes}).encode()

    refused = await rest.post("/v1/users", content=body, headers=JSON)

    assert (refused.status_code, refused.json()["name"]) == (413, "BodyTooLargeError")
    assert await rest.total("/v1/users") == 0


@pytest.mark.parametrize(
    ("query", "field", "detail"),
    [
        ("startingafter=x", "startingafter", "is not a query parameter here; known: limit, startingAfter"),
        ("limit=1&limit=2", "limit", "must be given at most once"),
        ("limit=0", "limit", "must be between 1 and 100, is 0"),
        ("limit=101", "limit", "must be between 1 and 100, is 101"),
        ("limit=ten", "limit", "Expected `int`, got `str`"),
        ("limit=", "limit", "Expected `int`, got `str`"),
        ("startingAfter=%00", "startingAfter", "must not contain control characters (one is at position 0)"),
    ],
)
async def test_a_bad_query_parameter_is_named(rest: Door, query: str, field: str, detail: str) -> None:
    refused = await rest.get(f"/v1/users?{query}")

    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert refused.json()["detail"] == f"{field}: {detail}"


async def test_an_operation_without_parameters_has_none(rest: Door) -> None:
    refused = await rest.post("/v1/users?dryRun=true", json={"id": "ada"})

    assert (refused.status_code, refused.json()["field"]) == (422, "dryRun")
    assert refused.json()["detail"] == "dryRun: is not a query parameter here; known: none"
    assert await rest.total("/v1/users") == 0


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/users/%00", "userId"),
        ("/v1/users/a%0Ab", "userId"),
        ("/v1/users/%FF", "userId"),
        (f"/v1/users/{'x' * 256}", "userId"),
        ("/v1/users/ada/features/%00/access", "featureId"),
        ("/v1/subscriptions/%00", "subscriptionId"),
        ("/v1/subscriptions?userId=%00", "userId"),
        ("/v1/subscriptions?userId=", "userId"),
    ],
)
async def test_what_cannot_be_an_id_is_named(rest: Door, path: str, field: str) -> None:
    refused = await rest.get(path)

    assert (refused.status_code, refused.json()["field"]) == (422, field)


DEEP: Any = {}
for _ in range(16):
    DEEP = {"a": DEEP}

BAD_BODIES = [
    ("/v1/users", {}, "id"),
    ("/v1/users", [], "body"),
    ("/v1/users", None, "body"),
    ("/v1/users", {"id": 1}, "id"),
    ("/v1/users", {"id": None}, "id"),
    ("/v1/users", {"id": ""}, "id"),
    ("/v1/users", {"id": "x" * 256}, "id"),
    ("/v1/users", {"id": "a\nb"}, "id"),
    ("/v1/users", {"id": "a\0b"}, "id"),
    ("/v1/users", {"id": "a", "email": "not an address"}, "email"),
    ("/v1/users", {"id": "a", "metadata": "x" * 16_384}, "metadata"),
    ("/v1/users", {"id": "a", "metadata": DEEP}, "metadata"),
    ("/v1/users", {"id": "a", "metadata": {"a": "\0"}}, "metadata"),
    ("/v1/users", {"id": "a", "billing_id": "cus_1"}, "billing_id"),
    ("/v1/features", {"id": "a"}, "type"),
    ("/v1/features", {"id": "a", "type": "COUNTED"}, "type"),
    ("/v1/features", {"id": "a", "type": "BINARY", "unitLabel": "x"}, "unitLabel"),
    ("/v1/packages", {"id": "a"}, "features"),
    ("/v1/packages", {"id": "a", "features": {}}, "features"),
    ("/v1/packages", {"id": "a", "features": [{}]}, "features[0].id"),
    ("/v1/packages", {"id": "a", "features": [{"id": "nothing"}]}, "features[0].id"),
    ("/v1/packages", {"id": "a", "features": [api_calls(-1)]}, "features[0].entitlement.limit"),
    ("/v1/packages", {"id": "a", "features": [api_calls(2**31)]}, "features[0].entitlement.limit"),
    ("/v1/packages", {"id": "a", "features": [api_calls(), api_calls()]}, "features[1].id"),
    ("/v1/packages", {"id": "a", "features": [{"id": "on-off", "entitlement": {"resetPeriod": "DAY"}}]}, None),
    ("/v1/packages", {"id": "a", "features": [], "basePackageIds": ["b"]}, "basePackageIds"),
]


@pytest.mark.parametrize(("path", "body", "field"), BAD_BODIES)
async def test_a_bad_value_in_a_body_is_named_and_nothing_is_written(
    rest: Door, path: str, body: Any, field: str | None
) -> None:
    await rest.made("/v1/features", id="api-calls", type="CONSUMABLE")
    await rest.made("/v1/features", id="on-off", type="BINARY")

    refused = await rest.post(path, content=json.dumps(body), headers=JSON)

    problem = refused.json()
    assert (refused.status_code, problem["name"], problem["code"]) == (422, "InvalidInputError", "BAD_USER_INPUT")
    assert problem["detail"].startswith(f"{problem['field']}: ")
    assert problem["field"] == (field or "features[0].entitlement")
    assert await rest.total("/v1/users") == 0
    assert await rest.total("/v1/features") == 2
    assert await rest.total("/v1/packages", status="ALL") == 0


async def test_a_number_beyond_all_floats_is_a_bad_value(rest: Door) -> None:
    refused = await rest.post("/v1/users", content=b'{"id": "a", "metadata": 1e999}', headers=JSON)

    assert (refused.status_code, refused.json()["name"]) == (422, InvalidInputError.__name__)
    assert (refused.json()["field"], refused.json()["detail"]) == ("body", "body: Number out of range")


@pytest.mark.parametrize("body", [{"id": "a", "type": "x" * 10_000}, {"id": "a", "x" * 10_000: 1}])
async def test_a_problem_repeats_no_more_than_500_characters_of_what_was_sent(rest: Door, body: Any) -> None:
    refused = await rest.post("/v1/features", json=body)

    problem = refused.json()
    assert refused.status_code == 422
    assert len(problem["detail"]) == 500
    assert len(problem["field"]) <= 500


async def test_half_a_surrogate_pair_is_no_text(rest: Door) -> None:
    refused = await rest.post("/v1/users", content=b'{"id": "\\ud800"}', headers=JSON)

    assert refused.status_code == 400
    assert await rest.total("/v1/users") == 0
