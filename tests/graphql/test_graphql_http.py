"""The HTTP door: envelopes, negotiation, status codes, and the page for people."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from graphql import build_schema, parse, validate
from litestar import Litestar
from litestar.testing import TestClient
from structlog.testing import capture_logs

from app.contract.sdl import admin_sdl
from app.errors import AuthenticationError, OverloadedError
from app.graphql.context import Context
from app.graphql.controller import GraphqlDoor
from app.graphql.engine import resolver

JSON = "application/json"
GRAPHQL_RESPONSE = "application/graphql-response+json"
KEY = {"Authorization": "prv_test_key"}
BODY_LIMIT = 20_000
SDL = """
type Query { who: String! visits(of: Int): Int! add(a: Int!, b: Int = 1): Int echo(value: JSON): JSON broken: Int }
type Mutation { count(by: Int!): Int }
"""


@dataclass(frozen=True)
class Caller:
    name: str


class Visits:
    """As loaders are: one for each request."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.number = 0


counted: list[int] = []


async def authenticate(headers: Mapping[str, str]) -> Caller:
    match headers.get("authorization"):
        case "prv_test_key":
            return Caller("test")
        case "prv_test_busy":
            raise OverloadedError("Too many requests are waiting")
        case "prv_test_broken":
            raise RuntimeError("the password is hunter2")
    raise AuthenticationError("no such key")


def register(schema_name: str) -> None:
    @resolver(schema_name, "Query.who")
    async def who(_parent: None, _arguments: dict[str, Any], context: Context[Caller, Visits], _info: object) -> str:
        return f"{context.actor.name} {context.loaders.caller.name}"

    @resolver(schema_name, "Query.visits")
    async def visits(_parent: None, _arguments: dict[str, Any], context: Context[Caller, Visits], _info: object) -> int:
        context.loaders.number += 1
        return context.loaders.number

    @resolver(schema_name, "Query.add")
    async def add(_parent: None, arguments: dict[str, Any], _context: object, _info: object) -> int:
        return arguments["a"] + arguments["b"]

    @resolver(schema_name, "Query.echo")
    async def echo(_parent: None, arguments: dict[str, Any], _context: object, _info: object) -> Any:
        return arguments.get("value")

    @resolver(schema_name, "Query.broken")
    async def broken(_parent: None, _arguments: dict[str, Any], _context: object, _info: object) -> int:
        raise RuntimeError("the password is hunter2")

    @resolver(schema_name, "Mutation.count")
    async def count(_parent: None, arguments: dict[str, Any], _context: object, _info: object) -> int:
        counted.append(arguments["by"])
        return len(counted)


@pytest.fixture(scope="module", params=["around the framework", "through the framework"])
def client(request: pytest.FixtureRequest) -> Iterator[TestClient[Litestar]]:
    """Both ways answer alike."""
    door = GraphqlDoor(
        path="/graphql",
        sdl=SDL,
        register=register,
        authenticate=authenticate,
        loaders=Visits,
        max_body_bytes=BODY_LIMIT,
    )
    app = Litestar([door.router()], lifespan=[door.lifespan], openapi_config=None)
    if request.param == "around the framework":
        app.asgi_handler = door.around(app.asgi_handler)
    with TestClient(app) as test_client:
        yield test_client


def post(client: TestClient[Litestar], body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    response = client.post("/graphql", content=content, headers={"Content-Type": JSON, **KEY, **headers})
    return response.status_code, response.json()


def only_error(answer: dict[str, Any]) -> tuple[str, str, str]:
    assert list(answer) == ["errors"]
    [error] = answer["errors"]
    return error["extensions"]["code"], error["extensions"]["exception"]["name"], error["message"]


def test_a_request_is_executed_as_its_actor_with_loaders_of_its_own(client):
    expected = (200, {"data": {"who": "test test", "visits": 1, "again": 2}})
    assert post(client, {"query": "{who visits again:visits(of:1)}"}) == expected
    assert post(client, {"query": "{who visits again:visits(of:1)}"}) == expected


def test_variables_come_as_an_object_or_as_json_text_and_numbers_as_text(client):
    query = "query ($a: Int!, $b: Int) { add(a: $a, b: $b) }"
    for variables in ({"a": 1, "b": 2}, {"a": "1", "b": "2"}, '{"a": 1, "b": "2"}'):
        assert post(client, {"query": query, "variables": variables}) == (200, {"data": {"add": 3}})
    assert post(client, {"query": "{add(a:1)}", "variables": None, "operationName": None}) == (
        200,
        {"data": {"add": 2}},
    )


@pytest.mark.parametrize(
    "content_type", [JSON, "application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain", None]
)
def test_a_body_is_read_whatever_its_content_type_says(client, content_type):
    headers = KEY | ({"Content-Type": content_type} if content_type else {})
    response = client.post("/graphql", content='{"query": "{add(a:1)}"}', headers=headers)
    assert (response.status_code, response.json()) == (200, {"data": {"add": 2}})


@pytest.mark.parametrize(
    ("accept", "media_type", "status"),
    [
        (None, JSON, 200),
        ("*/*", JSON, 200),
        ("application/*", JSON, 200),
        (JSON, JSON, 200),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE, 400),
        (f"{GRAPHQL_RESPONSE}, {JSON};q=0.9", GRAPHQL_RESPONSE, 400),
        (f"{GRAPHQL_RESPONSE};q=0.5, {JSON}", JSON, 200),
        ("text/html, */*;q=0.1", JSON, 200),
    ],
)
def test_the_media_type_is_what_was_asked_for_and_decides_the_status_of_request_errors(
    client, accept, media_type, status
):
    client.headers.pop("accept", None)
    headers = KEY | ({"Accept": accept} if accept else {})
    response = client.post("/graphql", content='{"query": "{nope}"}', headers=headers)
    assert response.headers["content-type"].partition(";")[0] == media_type
    assert response.headers["vary"] == "Accept"
    assert response.status_code == status
    assert only_error(response.json())[1] == "GraphQLValidationError"
    executed = client.post("/graphql", content='{"query": "{who broken}"}', headers=headers)
    assert executed.status_code == 200
    assert executed.json()["data"] == {"who": "test test", "broken": None}


@pytest.mark.parametrize("accept", ["text/html", "image/png", "nonsense"])
def test_who_accepts_no_json_gets_406(client, accept):
    status, answer = post(client, {"query": "{who}"}, Accept=accept)
    assert (status, only_error(answer)[1]) == (406, "InvalidInputError")
    assert answer["errors"][0]["extensions"]["field"] == "Accept"


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ("", "body", "body: is not valid JSON (Input data was truncated)"),
        ("{", "body", "body: is not valid JSON (Input data was truncated)"),
        ("{'query': 1}", "body", "body: is not valid JSON (JSON is malformed: object keys must be strings (byte 1))"),
        (b'{"query": "\xff"}', "body", None),
        ('{"query": "\\ud800"}', "body", None),
        ("[" * 15_000, "body", "body: is nested too deep"),
        ("null", "body", "body: must be a JSON object with `query`"),
        ('"{who}"', "body", "body: must be a JSON object with `query`"),
        ([{"query": "{who}"}], "body", "body: is a list; batches are not supported, send one request at a time"),
        ({}, "query", "query: is required and must be a string"),
        ({"query": None}, "query", "query: is required and must be a string"),
        ({"query": {"kind": "Document"}}, "query", "query: is required and must be a string"),
        (
            {"query": "{who}", "variables": [1]},
            "variables",
            "variables: must be an object, or a string that holds one as JSON",
        ),
        ({"query": "{who}", "variables": "[1]"}, "variables", "variables: must hold a JSON object"),
        ({"query": "{who}", "operationName": 5}, "operationName", "operationName: must be a string"),
    ],
)
@pytest.mark.parametrize("media_type", [JSON, GRAPHQL_RESPONSE])
def test_a_body_that_is_no_request_is_400_and_names_the_member(client, body, field, message, media_type):
    status, answer = post(client, body, Accept=media_type)
    assert status == 400
    code, name, told = only_error(answer)
    assert (code, name) == ("BAD_USER_INPUT", "InvalidInputError")
    assert answer["errors"][0]["extensions"]["field"] == field
    if message:
        assert told == message


def test_a_body_over_the_limit_is_413_whether_its_length_is_told_or_not(client):
    body = json.dumps({"query": "{who}", "padding": "x" * BODY_LIMIT}).encode()
    for content in (body, iter([body[:100], body[100:]])):
        response = client.post("/graphql", content=content, headers=KEY)
        assert response.status_code == 413
        assert only_error(response.json()) == (
            "BAD_USER_INPUT",
            "InvalidInputError",
            "body: is larger than 20000 bytes",
        )


def test_without_a_valid_key_the_answer_is_200_and_nothing_is_read_or_run(client):
    counted.clear()
    for headers in ({"Authorization": "prv_test_other"}, {"Authorization": ""}):
        for body in ({"query": "mutation { count(by: 1) }"}, "no json"):
            status, answer = post(client, body, **headers)
            assert (status, answer) == (
                200,
                {
                    "errors": [
                        {
                            "message": "Unauthenticated: no such key",
                            "extensions": {
                                "code": "UNAUTHENTICATED",
                                "exception": {
                                    "name": "AuthenticationError",
                                    "message": "Unauthenticated: no such key",
                                },
                            },
                        }
                    ]
                },
            )
    assert counted == []


def test_without_a_valid_key_the_newer_media_type_gets_401(client):
    response = client.post("/graphql", content="{}", headers={"Accept": GRAPHQL_RESPONSE})
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


def test_no_room_is_503_and_says_when_to_come_back(client):
    response = client.post("/graphql", content="{}", headers={"Authorization": "prv_test_busy"})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert only_error(response.json()) == ("OVERLOADED", "OverloadedError", "Too many requests are waiting")


def test_a_fault_before_execution_is_500_without_detail_and_logged(client):
    with capture_logs() as logs:
        status, answer = post(client, {"query": "{who}"}, Authorization="prv_test_broken")
    assert status == 500
    assert only_error(answer) == ("INTERNAL_SERVER_ERROR", "InternalServerError", "Internal server error")
    [log] = [entry for entry in logs if entry["event"] == "graphql.fault"]
    assert log["request_id"] == answer["errors"][0]["extensions"]["requestId"]
    assert "hunter2" not in json.dumps(answer)


def test_a_fault_inside_is_told_with_an_id_that_the_log_has_too(client):
    with capture_logs() as logs:
        status, answer = post(client, {"query": "{broken}"})
    [error] = answer["errors"]
    assert (status, error["extensions"]["code"], error["path"]) == (200, "INTERNAL_SERVER_ERROR", ["broken"])
    assert [log["request_id"] for log in logs if log["event"] == "graphql.fault"] == [error["extensions"]["requestId"]]
    assert re.fullmatch(r"[0-9a-f]{32}", error["extensions"]["requestId"])


def test_an_operation_name_chooses_and_an_unknown_one_is_refused(client):
    query = "query A { who } query B { visits }"
    assert post(client, {"query": query, "operationName": "B"}) == (200, {"data": {"visits": 1}})
    _, answer = post(client, {"query": query, "operationName": "C"})
    assert only_error(answer) == ("BAD_USER_INPUT", "UnknownOperationError", "Unknown operation named < C >.")


@pytest.mark.parametrize("query", ["mutation { count(by: 1) }", "{ who }", None])
def test_get_executes_nothing(client, query):
    counted.clear()
    response = client.get("/graphql", params={"query": query} if query else {}, headers=KEY | {"Accept": "*/*"})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert only_error(response.json())[2] == "method: must be POST; GET only shows GraphiQL to browsers"
    assert counted == []


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_a_browser_gets_graphiql_with_nothing_from_elsewhere(client):
    page = client.get("/graphql", headers=BROWSER)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(directive.split(" ", 1) for directive in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "<script>" not in page.text
    assert not re.search(r"(?:https?:)?//", page.text)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 6
    for address in loaded:
        assert address.startswith("/graphql/assets/")
        asset = client.get(address)
        assert asset.status_code == 200
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        kind = "text/css" if address.endswith(".css") else "text/javascript"
        assert asset.headers["content-type"] == f"{kind}; charset=utf-8"
        assert len(asset.content) > 50


def start_script(client: TestClient[Litestar]) -> str:
    [address] = re.findall(r'src="([^"]+start\.js)"', client.get("/graphql", headers=BROWSER).text)
    return client.get(address).text


def test_graphiql_takes_a_key_out_of_the_address_into_its_headers_and_stores_none(client):
    script = start_script(client)
    assert "JSON.stringify({ Authorization: key }" in script
    assert "window.location.hash" in script
    assert "history.replaceState(null" in script
    assert "shouldPersistHeaders: false" in script


def test_the_query_that_graphiql_opens_with_is_valid(client):
    [opening_query] = re.findall(r"`(# .*?)`;", start_script(client), re.DOTALL)
    assert validate(build_schema(admin_sdl()), parse(opening_query)) == []


@pytest.mark.parametrize("name", ["start.js", "..%2Findex.html", "000000000000-start.js", "%2Fetc%2Fpasswd"])
def test_assets_are_a_closed_list(client, name):
    assert client.get(f"/graphql/assets/{name}").status_code == 404


def test_answers_are_not_cached(client):
    response = client.post("/graphql", content='{"query": "{who}"}', headers=KEY)
    assert response.headers["cache-control"] == "no-store"


def test_any_json_value_comes_back_as_it_went(client):
    value = {"a": [1, 2.5, None, True, "é漢😀\u2028"], "big": 10**30, "": {}, "empty": []}
    _, answer = post(client, {"query": "query ($v: JSON) { echo(value: $v) }", "variables": {"v": value}})
    assert answer == {"data": {"echo": value}}


@pytest.mark.parametrize(("host", "status"), [("meterline.test:8000", 200), ("a~b", 200), ("a b", 400)])
def test_a_host_that_is_none_is_refused(client, host, status):
    response = client.post("/graphql", content='{"query": "{who}"}', headers=KEY | {"Host": host})
    assert response.status_code == status
