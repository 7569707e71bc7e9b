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

from litestar import Litestar, Request, Response, Router, get, post
from litestar.enums import ScopeType
from litestar.exceptions import NotFoundException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.params import FromPath
from litestar.types import ASGIApp, Receive, Scope, Send

from app.edge.disconnects import ClientGoneError, WhileConnected
from app.edge.messages import Body, Headers, has_plain_host, headers_of
from app.edge.middleware import BodyCutShortError
from app.errors import InvalidInputError, MeterlineError
from app.graphql.answers import (
    GRAPHQL_RESPONSE,
    JSON,
    NOBODY,
    Answer,
    executed,
    failed,
    media_type_for,
    no_media_type,
    refused,
)
from app.graphql.compat import Compatibility
from app.graphql.context import Context
from app.graphql.engine import Engine, cook_engine
from app.graphql.errors import current_request_id
from app.graphql.graphiql import ASSET_HEADERS, PAGE_HEADERS, load_graphiql
from app.graphql.limits import Limits
from app.graphql.request import read_request

ActorT = TypeVar("ActorT")
LoadersT = TypeVar("LoadersT")
HttpRequest = Request[Any, Any, Any]

HTML = "text/html"


@dataclass(slots=True, kw_only=True)
class GraphqlDoor(Generic[ActorT, LoadersT]):
    """Everything that one schema needs to be served. Give `router()` to the application's handlers, `lifespan` to
    its lifespan, and put `around` around its routing.

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

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app`, with POST answered before the framework's routing, which would cost a third of the call."""

        async def answer_first(scope: Scope, receive: Receive, send: Send) -> None:
            is_ours = scope["type"] == ScopeType.HTTP and scope["path"] == self.path and scope["method"] == "POST"
            # An odd host is the framework's to refuse.
            if is_ours and has_plain_host(headers_of(scope)):
                scope["path_template"] = self.path
                await self.answer(scope, receive, send)
            else:
                await app(scope, receive, send)

        return answer_first

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Executes a POST. Every failure is an answer in GraphQL's form; nothing is raised but cancellation."""
        answer = await self._answered(scope, receive)
        await answer.send(send)

    async def _answered(self, scope: Scope, receive: Receive) -> Answer:
        headers = headers_of(scope)
        media_type = media_type_for(headers.get(b"accept"))
        if media_type is None:
            return no_media_type()
        request_id = _request_id(scope)
        token = current_request_id.set(request_id)
        try:
            return executed(await self._execute(headers, receive, request_id), media_type)
        except RequestEntityTooLarge:
            problem = InvalidInputError("body", f"is larger than {self.max_body_bytes} bytes")
            return refused(problem, media_type, 413)
        except BodyCutShortError:
            return refused(InvalidInputError("body", "ended before it was complete"), media_type)
        except MeterlineError as error:
            return refused(error, media_type)
        except ClientGoneError:
            return NOBODY
        except Exception as error:  # noqa: BLE001 — the door's last line: logged in full, told without detail
            return failed(error, media_type)
        finally:
            current_request_id.reset(token)

    async def _execute(self, headers: Headers, receive: Receive, request_id: str) -> dict[str, Any]:
        if self._engine is None or self._compatibility is None:
            raise RuntimeError("The lifespan of this GraphqlDoor was not given to the application")
        actor = await self.authenticate({name.decode("latin-1"): headers[name].decode("latin-1") for name in headers})
        body = await Body(headers, receive).read(bytes_max=self.max_body_bytes)
        asked = self._compatibility.normalise(read_request(body))
        variables = asked.variables if isinstance(asked.variables, dict) else None
        context = Context(actor=actor, loaders=self.loaders(actor), request_id=request_id)
        with WhileConnected(receive):
            return await self._engine.execute(asked.query, asked.operation_name, context, variables)

    def router(self) -> Router:
        """The handlers: `POST` and `GET <path>`, and the page's files under `<path>/assets`."""
        graphiql = load_graphiql(self.path)

        @post("/", status_code=200, include_in_schema=False)
        async def execute_graphql() -> ASGIApp:
            return self.answer

        @get("/", include_in_schema=False)
        async def show_graphiql(request: HttpRequest) -> Response[Any]:
            # JSON is named first: only who asks for HTML above it is a browser.
            if "accept" in request.headers and request.accept.best_match([JSON, GRAPHQL_RESPONSE, HTML]) == HTML:
                return Response(graphiql.page, media_type=HTML, headers=PAGE_HEADERS)
            refusal = refused(
                InvalidInputError("method", "must be POST; GET only shows GraphiQL to browsers"), JSON, 405
            )
            return Response(refusal.body, status_code=refusal.status, headers={**refusal.headers, "Allow": "POST"})

        @get("/assets/{name:str}", include_in_schema=False)
        async def send_asset(name: FromPath[str]) -> Response[bytes]:
            asset = graphiql.assets.get(name)
            if asset is None:
                raise NotFoundException
            return Response(asset.content, media_type=asset.media_type, headers=ASSET_HEADERS)

        return Router(self.path, route_handlers=[execute_graphql, show_graphiql, send_asset])


def _request_id(scope: Scope) -> str:
    """The id that a middleware has left in the request's state, or a new one."""
    state: Mapping[str, Any] = scope.get("state") or {}
    return str(state.get("request_id") or uuid.uuid4().hex)
