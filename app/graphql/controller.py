"""The HTTP door of a GraphQL schema: POST executes, a browser's GET shows GraphiQL.

Cross-site requests need no token against them here: the only credential is the Authorization header, which a browser
never adds by itself. That is why a body is read whatever its content type says, as Kana's curl samples (which send JSON
as a form) require.

Queries by GET are refused, as in Kana: variables hold user ids, and addresses end up in logs and caches.

| what came                                       | application/json | application/graphql-response+json |
| ----------------------------------------------- | ---------------- | --------------------------------- |
| an executed operation, with errors or without   | 200              | 200                               |
| a document, variables or operationName at fault | 200              | 400                               |
| no valid credential                             | 200              | 401                               |
| a body that is no request                       | 400              | 400                               |
| a body that is too large                        | 413              | 413                               |
| no room for another request                     | 503              | 503                               |
| a fault before execution                        | 500              | 500                               |

Source: GraphQL over HTTP (draft of 2025), section 6; for application/json, Kana's rule that errors
are 200 goes as far as the first three rows.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
from litestar import Litestar, Request, Response, Router, get, post
from litestar.exceptions import NotFoundException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.params import FromPath

from app.edge.middleware import BodyCutShortError
from app.errors import AuthenticationError, InvalidInputError, MeterlineError, OverloadedError
from app.graphql.compat import Compatibility
from app.graphql.context import Context
from app.graphql.engine import Engine, cook_engine
from app.graphql.errors import INTERNAL_SERVER_ERROR, current_request_id, fault, told
from app.graphql.graphiql import ASSET_HEADERS, PAGE_HEADERS, load_graphiql
from app.graphql.limits import Limits
from app.graphql.request import read_request

ActorT = TypeVar("ActorT")
LoadersT = TypeVar("LoadersT")
HttpRequest = Request[Any, Any, Any]

JSON = "application/json"
GRAPHQL_RESPONSE = "application/graphql-response+json"
HTML = "text/html"


def request_id_of(request: HttpRequest) -> str:
    """The id that a middleware has left in the request's state, or a new one."""
    state: Mapping[str, Any] = request.scope.get("state") or {}
    return str(state.get("request_id") or uuid.uuid4().hex)


@dataclass(slots=True, kw_only=True)
class GraphqlDoor(Generic[ActorT, LoadersT]):
    """Everything that one schema needs to be served. Give `router()` to the application's handlers and `lifespan` to
    its lifespan.

    Args:
        sdl: the schema's SDL (`contract.sdl.admin_sdl` is the admin API's).
        register: links the resolvers to the schema name it is given.
        authenticate: the actor behind a request's headers. Raises AuthenticationError, or OverloadedError.
        loaders: a fresh set of loaders for one request.
        max_body_bytes: larger bodies are refused before they are read.
    """

    path: str
    sdl: str
    register: Callable[[str], None]
    authenticate: Callable[[Mapping[str, str]], Awaitable[ActorT]]
    loaders: Callable[[ActorT], LoadersT]
    max_body_bytes: int
    limits: Limits = field(default_factory=Limits)
    _engine: Engine | None = field(default=None, init=False)
    _compatibility: Compatibility | None = field(default=None, init=False)

    @asynccontextmanager
    async def lifespan(self, _app: Litestar) -> AsyncIterator[None]:
        """Cooks the engine before the first request: a schema that does not fit its resolvers keeps the server from
        starting.
        """
        self._engine = await cook_engine(self.sdl, self.register, limits=self.limits)
        self._compatibility = Compatibility(self._engine.input_fields, self.limits)
        yield

    async def answer(self, request: HttpRequest) -> Response[bytes]:
        """Executes a POST. Every failure is an answer in GraphQL's form; nothing is raised but cancellation."""
        if "accept" in request.headers:
            media_type = request.accept.best_match([JSON, GRAPHQL_RESPONSE])
            if media_type is None:
                problem = f"must allow {JSON} or {GRAPHQL_RESPONSE}"
                return _respond({"errors": [told(InvalidInputError("Accept", problem))]}, 406, JSON)
        else:
            media_type = JSON
        request_id = request_id_of(request)
        token = current_request_id.set(request_id)
        try:
            answer = await self._execute(request, request_id)
        except RequestEntityTooLarge:
            problem = f"is larger than {self.max_body_bytes} bytes"
            return _respond({"errors": [told(InvalidInputError("body", problem))]}, 413, media_type)
        except BodyCutShortError:
            return _refusal(InvalidInputError("body", "ended before it was complete"), media_type)
        except MeterlineError as error:
            return _refusal(error, media_type)
        except Exception as error:  # noqa: BLE001 — the door's last line: logged in full, told without detail
            return _respond({"errors": [fault(error)]}, 500, media_type)
        finally:
            current_request_id.reset(token)
        return _respond(answer, _status_of(answer, media_type), media_type)

    async def _execute(self, request: HttpRequest, request_id: str) -> dict[str, Any]:
        if self._engine is None or self._compatibility is None:
            raise RuntimeError("The lifespan of this GraphqlDoor was not given to the application")
        actor = await self.authenticate(request.headers)
        asked = self._compatibility.normalise(read_request(await request.body()))
        variables = asked.variables if isinstance(asked.variables, dict) else None
        context = Context(actor=actor, loaders=self.loaders(actor), request_id=request_id)
        return await self._engine.execute(asked.query, asked.operation_name, context, variables)

    def router(self) -> Router:
        """The handlers: `POST` and `GET <path>`, and the page's files under `<path>/assets`."""
        graphiql = load_graphiql(self.path)

        @post("/", status_code=200, include_in_schema=False, request_max_body_size=self.max_body_bytes)
        async def execute_graphql(request: HttpRequest) -> Response[bytes]:
            return await self.answer(request)

        @get("/", include_in_schema=False)
        async def show_graphiql(request: HttpRequest) -> Response[Any]:
            # JSON is named first: only who asks for HTML above it is a browser.
            if "accept" in request.headers and request.accept.best_match([JSON, GRAPHQL_RESPONSE, HTML]) == HTML:
                return Response(graphiql.page, media_type=HTML, headers=PAGE_HEADERS)
            refusal = told(InvalidInputError("method", "must be POST; GET only shows GraphiQL to browsers"))
            return _respond({"errors": [refusal]}, 405, JSON, {"Allow": "POST"})

        @get("/assets/{name:str}", include_in_schema=False)
        async def send_asset(name: FromPath[str]) -> Response[bytes]:
            asset = graphiql.assets.get(name)
            if asset is None:
                raise NotFoundException
            return Response(asset.content, media_type=asset.media_type, headers=ASSET_HEADERS)

        return Router(self.path, route_handlers=[execute_graphql, show_graphiql, send_asset])


def _status_of(answer: dict[str, Any], media_type: str) -> int:
    if "data" in answer or media_type == JSON:
        return 200
    codes = {error["extensions"]["code"] for error in answer["errors"]}
    return 500 if INTERNAL_SERVER_ERROR in codes else 400


def _refusal(error: MeterlineError, media_type: str) -> Response[bytes]:
    body = {"errors": [told(error)]}
    if isinstance(error, AuthenticationError):
        if media_type == JSON:
            return _respond(body, 200, media_type)
        return _respond(body, 401, media_type, {"WWW-Authenticate": "Bearer"})
    if isinstance(error, OverloadedError):
        return _respond(body, 503, media_type, {"Retry-After": "1"})
    return _respond(body, 400, media_type)


def _respond(
    body: dict[str, Any], status: int, media_type: str, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type=media_type,
        headers={"Cache-Control": "no-store", "Vary": "Accept", **(headers or {})},
    )
