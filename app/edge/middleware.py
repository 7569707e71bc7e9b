"""What every request gets, whichever door it takes: an id, a log line, and headers that keep browsers careful."""

import logging
import os
import re
import time
from collections.abc import Awaitable, Iterable
from typing import Final

import structlog
from litestar.exceptions import ClientException
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage

from app import logs

_GIVEN_ID = re.compile(rb"[\w.:-]{1,128}", re.ASCII)
_QUIET_PATHS = ("/healthz", "/readyz", "/metrics")
_CAREFUL_HEADERS: Final = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))

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

        def send_with_headers(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_ours(message["headers"], request_id)
            return send(message)

        scope.setdefault("state", {})["request_id"] = request_id
        bound = logs.request_id.set(request_id)
        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            if log.is_enabled_for(logging.INFO) and not scope["path"].startswith(_QUIET_PATHS):
                _log(scope, status, time.perf_counter() - began)
            logs.request_id.reset(bound)


class WholeBodies:
    """Goes around the framework, which would call a body that breaks off an error of the server: it raises BodyCutShortError."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, _whole_body(receive), send)


def _whole_body(receive: Receive) -> Receive:
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
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            if _GIVEN_ID.fullmatch(value):
                return value.decode()
            break
    return os.urandom(16).hex()


def _with_ours(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """An answer's headers and those that every answer has; where a handler says something else, that stays."""
    given = dict(headers)
    ours = [header for header in _CAREFUL_HEADERS if header[0] not in given]
    return [*headers, (b"x-request-id", request_id.encode()), *ours]


def _log(scope: Scope, status: int, seconds: float) -> None:
    # The path's template says which operation it was; the path itself could hold a user's email as an id.
    log.info(
        "http.request",
        method=scope.get("method", ""),
        path=scope.get("path_template") or "unmatched",
        status=status,
        duration_ms=round(seconds * 1000, 2),
    )
