"""The OpenAPI 3.1 document: made from the handlers, then given its examples."""

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme, Tag
from litestar.routes import HTTPRoute
from litestar.status_codes import HTTP_202_ACCEPTED, HTTP_400_BAD_REQUEST

from app.rest.descriptions import describe_field, describe_type
from app.rest.errors import Problem
from app.rest.examples import EXAMPLES
from app.rest.problems import problem_responses, response_name
from app.rest.router import rest_router

DESCRIPTION = """\
Entitlements, usage limits and subscriptions. Every operation has a twin of the same name in GraphQL at `/graphql`.

Send a **secret key** (`prv_test_…` or `prv_live_…`) as `Authorization`, with or without `Bearer `. A key sees one tenant; what
belongs to another looks as if it did not exist.

**Lists** come oldest first (usage events and webhook deliveries newest first), in pages of `limit`; while `hasMore` is true, ask
again with `startingAfter` set to the id of the last item. **Ids** are yours: 1 to 255 characters without control characters,
percent-encoded in a path (a slash is `%2F`). **Times** are UTC to the millisecond. In a `PATCH`, absent fields stay as they are
and null ones are cleared.

**Errors** are problem details (RFC 9457, `application/problem+json`); `/docs/problems` lists all of them.
"""

# `Page[Feature]` as the framework and msgspec name it.
_PAGE_NAME = re.compile(r"\bPage_(?:[\w.]+\.)?([A-Za-z]+)_")

_TAGS: Final = [
    Tag(name="Features", description="What a package can hold: on or off, or counted."),
    Tag(name="Packages", description="What is sold: base packages and add-ons."),
    Tag(name="Users", description="Who uses features and holds subscriptions."),
    Tag(name="Subscriptions", description="A user has a package."),
    Tag(name="Usage", description="May this user do this now? Then count it."),
    Tag(name="Billing", description="What packages cost at Stripe, and links to pay by."),
    Tag(name="Webhooks", description="Being told what happens."),
]


@cache
def openapi_document() -> dict[str, Any]:
    """The document, ready to be encoded. It holds what `/v1` serves and nothing else.

    Paths, parameters and operations are the framework's, from the handlers. Schemas are msgspec's, which knows its types
    better (no extra fields, formats, one component per type), with the SDL's words.
    """
    # An app of its own, never served: the framework's document pages would otherwise come with the real one.
    app = Litestar(route_handlers=[rest_router()], openapi_config=_config(), logging_config=None)
    document: dict[str, Any] = msgspec.json.decode(
        _PAGE_NAME.sub(r"\1Page", json.dumps(app.openapi_schema.to_schema()))
    )
    document["components"]["schemas"] = _schemas(_types_of(app))
    document["components"]["responses"] = problem_responses()
    for operation in operations(document):
        _complete(operation)
    return document


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation of the document."""
    for path in document["paths"].values():
        yield from path.values()


def _types_of(app: Litestar) -> list[Any]:
    """What the handlers take and give."""
    handlers = [handler for route in app.routes if isinstance(route, HTTPRoute) for handler in route.route_handlers]
    documented = [handler for handler in handlers if handler.resolve_include_in_schema()]
    given = [handler.parsed_fn_signature.return_type.annotation for handler in documented]
    taken = [handler.parsed_data_field.annotation for handler in documented if handler.parsed_data_field]
    return [*taken, *given, Problem]


def _schemas(types: list[Any]) -> dict[str, Any]:
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schemas: dict[str, Any] = msgspec.json.decode(_PAGE_NAME.sub(r"\1Page", json.dumps(components)))
    for name, schema in schemas.items():
        schema["title"] = name
        schema["description"] = describe_type(name) or schema.get("description", "")
        for field, property_schema in schema.get("properties", {}).items():
            property_schema["description"] = describe_field(name, field) or property_schema.get("description", "")
    return schemas


def _config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Meterline",
        version=version("meterline"),
        description=DESCRIPTION,
        license=License(name="MIT", identifier="MIT"),
        tags=_TAGS,
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin()],
        security=[{"bearer": []}, {"apiKey": []}],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(
                    type="http", scheme="bearer", description="A secret key: `Authorization: Bearer prv_…`."
                ),
                "apiKey": SecurityScheme(
                    type="apiKey",
                    name="Authorization",
                    security_scheme_in="header",
                    description="The same without `Bearer`: `Authorization: prv_…`.",
                ),
            }
        ),
    )


def _complete(operation: dict[str, Any]) -> None:
    examples = EXAMPLES[operation["operationId"]]
    operation.pop("deprecated", None)
    for parameter in operation.get("parameters", ()):
        _simplify(parameter)
    if body := operation.get("requestBody"):
        schema = body["content"]["application/json"]["schema"]
        # A body that may be null may be left out; to say so twice would only puzzle generated clients.
        body["required"] = "oneOf" not in schema
        body["content"]["application/json"] = {
            "schema": schema if body["required"] else schema["oneOf"][0],
            "examples": {title: {"value": request} for title, request in examples.requests.items()},
        }
    else:
        operation["responses"].pop("400", None)  # the framework's guess: nothing can be malformed without a body
    for status, response in operation["responses"].items():
        if int(status) >= HTTP_400_BAD_REQUEST:
            operation["responses"][status] = {"$ref": f"#/components/responses/{response_name(int(status))}"}
        else:
            content = response["content"]["application/json"]
            is_accepted = int(status) == HTTP_202_ACCEPTED
            views = examples.accepted if is_accepted else examples.responses
            content["examples"] = {title: {"value": msgspec.to_builtins(view)} for title, view in views.items()}
            response.pop("headers", None)
            if is_accepted:
                response["headers"] = {"Location": {"description": "Where it will be.", "schema": {"type": "string"}}}
            response["description"] = describe_type(content["schema"]["$ref"].rpartition("/")[2])


def _simplify(parameter: dict[str, Any]) -> None:
    """A parameter is absent or a value, never null; and its description belongs in one place."""
    for noise in ("deprecated", "allowEmptyValue", "allowReserved"):
        parameter.pop(noise, None)
    parameter["schema"].pop("description", None)
    if alternatives := parameter["schema"].pop("oneOf", None):
        parameter["schema"] |= alternatives[0]
