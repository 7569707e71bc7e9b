"""The web application: `granian --interface asgi --factory app.main:create_app`."""

import gc
import resource
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from litestar import Litestar

from app import logs
from app.contract.actors import Actor
from app.contract.sdl import admin_sdl
from app.db import close_engines
from app.edge.auth import authenticate_admin
from app.edge.health import health_handlers
from app.edge.metrics import metrics
from app.edge.middleware import RequestContext, WholeBodies
from app.graphql import admin
from app.graphql.controller import GraphqlDoor
from app.graphql.loaders import Loaders
from app.rest.docs_page import docs_router
from app.rest.errors import rest_exception_handlers
from app.rest.hot import HotCalls
from app.rest.paths import RoutedAsSent
from app.rest.router import rest_router
from app.rest.stripe_webhooks import stripe_webhook
from app.settings import settings

# As many connections as the server lets in (`--backpressure` in the Procfile), and twice over.
OPEN_FILES = 16_384


def create_app() -> Litestar:
    """Both doors, their documentation, health checks and metrics, ready to be served. Raises SettingsError."""
    logs.configure()
    graphql = GraphqlDoor(
        path="/graphql",
        sdl=admin_sdl(limit_as_string=settings().graphql_limit_as_string),
        register=admin.register,
        authenticate=_authenticate,
        loaders=Loaders,
        max_body_bytes=settings().max_body_bytes,
    )
    web = Litestar(
        route_handlers=[*health_handlers, metrics, graphql.router(), rest_router(), docs_router(), stripe_webhook],
        # What no router owns, such as a path that does not exist, is answered as REST would.
        exception_handlers=rest_exception_handlers,
        lifespan=[_files_allowed, _database_closed, graphql.lifespan, _garbage_frozen],
        logging_config=None,  # `logs.configure` has done it
        openapi_config=None,  # /docs and /openapi.json are our own
        request_max_body_size=settings().max_body_bytes,
    )
    # Around the routing, so that what no router owns gets an id and a log line too.
    ordinary = WholeBodies(RoutedAsSent(web.asgi_handler))
    hot = HotCalls(ordinary, max_body_bytes=settings().max_body_bytes)
    web.asgi_handler = RequestContext(graphql.around(hot))
    return web


async def _authenticate(headers: Mapping[str, str]) -> Actor:
    return await authenticate_admin(headers.get("authorization"))


@asynccontextmanager
async def _files_allowed(_app: Litestar) -> AsyncIterator[None]:
    """Connections are open files, and most systems give a process 1,024 until it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield


@asynccontextmanager
async def _database_closed(_app: Litestar) -> AsyncIterator[None]:
    yield
    close_engines()


@asynccontextmanager
async def _garbage_frozen(_app: Litestar) -> AsyncIterator[None]:
    """What start-up made lives as long as the process: taking it out of the collector's rounds cuts the p99 to a third."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    yield
