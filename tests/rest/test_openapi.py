"""The OpenAPI document is complete, holds together, and tells the truth about the door."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from app.contract.shapes import build
from app.rest.examples import EXAMPLES
from app.rest.openapi import openapi_document, operations
from tests.rest.door import Door
from tests.rest.json_schema import mismatches

SDL = "\n".join(file.read_text() for file in sorted((Path(__file__).parents[2] / "schema" / "admin").glob("*.graphql")))


@pytest.fixture(scope="module")
def document(product: str) -> dict[str, Any]:
    return openapi_document()


def every(node: Any, key: str) -> Iterator[Any]:
    """Every value under `key`, at any depth."""
    if isinstance(node, dict):
        if key in node:
            yield node[key]
        for value in node.values():
            yield from every(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from every(value, key)


def found(document: dict[str, Any], reference: str) -> Any:
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


async def test_the_document_is_served_to_all(stranger: Door, document: dict[str, Any]) -> None:
    answer = await stranger.get("/openapi.json")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == document
    assert document["openapi"].startswith("3.1.")


def test_every_reference_leads_somewhere_and_every_component_is_used(document: dict[str, Any]) -> None:
    references = set(every(document, "$ref"))

    assert all(found(document, reference) for reference in references)
    assert references == {
        f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in document["components"][kind]
    }
    assert all(re.fullmatch(r"[A-Za-z0-9]+", reference.rpartition("/")[2]) for reference in references)


def test_every_route_is_in_the_document_and_nothing_else(document: dict[str, Any], rest_app: Litestar) -> None:
    served = {
        (route.path_format, method.lower())
        for route in rest_app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/v1")
        for method in route.methods
        if method != "OPTIONS"
    }

    assert {(path, method) for path, item in document["paths"].items() for method in item} == served


def test_every_operation_has_the_name_of_a_graphql_field(document: dict[str, Any]) -> None:
    fields = set(re.findall(r"^  (\w+)(?=[(:])", SDL, re.MULTILINE))
    names = [operation["operationId"] for operation in operations(document)]

    assert len(names) == len(set(names))
    assert set(names) <= fields
    assert set(names) == set(EXAMPLES)


def test_every_operation_says_what_it_does_and_what_can_go_wrong(document: dict[str, Any]) -> None:
    for operation in operations(document):
        assert operation["summary"]
        assert operation["description"]
        assert len(operation["tags"]) == 1
        assert {"401", "422", "500", "503"} <= set(operation["responses"])
        assert ("requestBody" in operation) == ({"400", "413", "415"} <= set(operation["responses"]))
        done = {status for status in operation["responses"] if status.startswith("2")} - {"202"}
        assert len(done) == 1
        for parameter in operation.get("parameters", ()):
            assert parameter["description"]
    assert {operation["tags"][0] for operation in operations(document)} == {tag["name"] for tag in document["tags"]}


def test_every_operation_needs_a_key(document: dict[str, Any]) -> None:
    assert document["security"] == [{"bearer": []}, {"apiKey": []}]
    assert set(document["components"]["securitySchemes"]) == {"bearer", "apiKey"}
    assert not any("security" in operation for operation in operations(document))


def test_every_type_and_property_is_described(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    undescribed = [name for name, schema in schemas.items() if not schema["description"]] + [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, described in schema.get("properties", {}).items()
        if not described["description"]
    ]

    assert undescribed == []


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    contents = list(every(document, "application/json")) + list(every(document, "application/problem+json"))

    wrong = [
        (name, problem)
        for content in contents
        for name, example in content["examples"].items()
        for problem in mismatches(example["value"], content["schema"], document)
    ]

    assert wrong == []
    assert all(content["examples"] for content in contents)
    bodies = [operation for operation in operations(document) if "requestBody" in operation]
    accepted = [operation for operation in operations(document) if "202" in operation["responses"]]
    assert [operation["operationId"] for operation in accepted] == [
        "cancelSubscription",
        "changeSubscription",
        "generateSubscriptionLink",
    ]
    answers = len(list(operations(document))) + len(accepted)
    assert len(contents) == answers + len(bodies) + len(document["components"]["responses"])


def test_every_example_of_a_request_is_a_valid_command(rest_app: Litestar) -> None:
    bodies = {
        handler.operation_id: handler.parsed_data_field.annotation
        for route in rest_app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.parsed_data_field
    }

    for operation_id, command_type in bodies.items():
        for request in EXAMPLES[operation_id].requests.values():
            assert build(command_type, request)
    assert {name for name, examples in EXAMPLES.items() if examples.requests} == set(bodies)


def test_a_body_that_may_be_left_out_says_so(document: dict[str, Any]) -> None:
    optional = [
        operation["operationId"]
        for operation in operations(document)
        if "requestBody" in operation and not operation["requestBody"]["required"]
    ]

    assert sorted(optional) == ["cancelSubscription", "commitReservation"]


def test_commands_allow_no_other_fields(document: dict[str, Any]) -> None:
    for operation in operations(document):
        if "requestBody" in operation:
            (reference,) = every(operation["requestBody"], "$ref")
            assert found(document, reference)["additionalProperties"] is False


async def test_real_answers_fit_their_schemas(rest: Door, document: dict[str, Any]) -> None:
    await rest.made("/v1/features", id="api-calls", type="CONSUMABLE")
    await rest.sell("pro", {"id": "api-calls", "entitlement": {"limit": 3, "resetPeriod": "MONTH"}})
    await rest.made("/v1/users", id="ada")
    await rest.made("/v1/subscriptions", userId="ada", packageIds=["pro"])
    event = (await rest.made("/v1/usage", userId="ada", featureId="api-calls"))["eventId"]
    of_ada = "userId=ada&featureId=api-calls"
    range_ = "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&interval=HOUR"

    for path, template in [
        ("/v1/features", "/v1/features"),
        ("/v1/packages/pro", "/v1/packages/{packageId}"),
        ("/v1/users", "/v1/users"),
        ("/v1/subscriptions", "/v1/subscriptions"),
        ("/v1/users/ada/features/api-calls/access", "/v1/users/{userId}/features/{featureId}/access"),
        ("/v1/users/ada/features/api-calls/usage", "/v1/users/{userId}/features/{featureId}/usage"),
        ("/v1/users/ada/features/api-calls/explain", "/v1/users/{userId}/features/{featureId}/explain"),
        (f"/v1/usage/events?{of_ada}", "/v1/usage/events"),
        (f"/v1/usage/events/{event}", "/v1/usage/events/{eventId}"),
        (f"/v1/usage/series?{of_ada}&{range_}", "/v1/usage/series"),
    ]:
        answer = await rest.get(path)
        schema = document["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert mismatches(answer.json(), schema, document) == [], path


async def test_real_problems_fit_their_schema(rest: Door, document: dict[str, Any]) -> None:
    for answer in (await rest.get("/v1/users/nobody"), await rest.get("/v1/users?limit=0"), await rest.get("/v1/x")):
        assert mismatches(answer.json(), {"$ref": "#/components/schemas/Problem"}, document) == []


def test_the_document_is_plain_json(document: dict[str, Any]) -> None:
    assert msgspec.json.decode(msgspec.json.encode(document)) == document
