"""What every request gets, whichever door it takes: an id, a log line, and headers that keep browsers careful."""

import re
import time
from uuid import uuid4

import structlog
from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import ClientException
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage

_GIVEN_ID = re.compile(rb"[\w.:-]{1,128}", re.ASCII)
_QUIET_PATHS = ("/healthz", "/readyz")

log = structlog.get_logger(__name__)


class BodyCutShortError(ClientException):
    """The caller went away in the middle of the body, or sent chunks that are none: theirs, not a fault of ours."""

    detail = "body: ended before it was complete"


class RequestContext:
    """Outermost: takes the caller's X-Request-ID or makes one, and puts it on every log line and on the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        began, status = time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableScopeHeaders.from_message(message)
                headers["X-Request-ID"] = request_id
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
            await send(message)

        scope.setdefault("state", {})["request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, _whole_body(receive), send_with_headers)
            finally:
                if not scope["path"].startswith(_QUIET_PATHS):
                    _log(scope, status, time.perf_counter() - began)


def _whole_body(receive: Receive) -> Receive:
    """As `receive`, but a body that breaks off raises BodyCutShortError. Litestar would call it an error of the server."""
    is_complete = False

    async def receive_body() -> HTTPReceiveMessage | WebSocketReceiveMessage:
        nonlocal is_complete
        message = await receive()
        if message["type"] == "http.request":
            is_complete = not message.get("more_body", False)
        elif message["type"] == "http.disconnect" and not is_complete:
            raise BodyCutShortError
        return message

    return receive_body


def _request_id(scope: Scope) -> str:
    """The caller's, if it is one that cannot forge a log line; else a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _GIVEN_ID.fullmatch(given) else uuid4().hex


def _log(scope: Scope, status: int, seconds: float) -> None:
    # The path's template says which operation it was; the path itself could hold a user's email as an id.
    log.info(
        "http.request",
        method=scope.get("method", ""),
        path=scope.get("path_template") or "unmatched",
        status=status,
        duration_ms=round(seconds * 1000, 2),
    )
