"""Ids in paths. Any id can be a path segment, a slash in it written as %2F.

Servers decode a path before anyone sees it, and then `a%2Fb` is two segments. So `/v1` is routed by the path as it was sent, and
the segments are decoded afterwards.
"""

from urllib.parse import quote, unquote

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from app.domain.values import check_id
from app.errors import InvalidInputError

PREFIX = "/v1"


class RoutedAsSent:
    """Goes around a whole app, because routing comes before any middleware.

    `app.asgi_handler = RoutedAsSent(app.asgi_handler)`
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope["path"].startswith(f"{scope.get('root_path', '')}{PREFIX}/"):
            scope["path"] = _path_as_sent(scope)
        await self._app(scope, receive, send)


class DecodedPathParameters(ASGIMiddleware):
    """Decodes what `RoutedAsSent` left encoded, and refuses what cannot be an id."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        # The dictionary is the router's, cached for the next request with this path: replaced, never changed.
        scope["path_params"] = {name: decoded(name, value) for name, value in scope["path_params"].items()}
        await next_app(scope, receive, send)


def _path_as_sent(scope: Scope) -> str:
    raw = scope.get("raw_path")
    # ASGI lets a server leave raw_path out; the slash is lost then, everything else is as good.
    return raw.partition(b"?")[0].decode("ascii", errors="replace") if raw else quote(scope["path"])


def decoded(name: str, segment: str) -> str:
    """The id in a segment of a path, as it was sent. Raises InvalidInputError if it cannot be one; `name` is the id's."""
    try:
        identifier = unquote(segment, errors="strict")
    except UnicodeDecodeError as problem:
        raise InvalidInputError(name, "must be UTF-8, percent-encoded") from problem
    check_id(name, identifier)
    return identifier
