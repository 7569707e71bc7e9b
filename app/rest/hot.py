"""The two calls that a product makes at each of its own requests, past the framework: recordUsage and canUseFeature.

The framework takes longer over such a call than everything that the call is about. So one that is plain in every respect (its
path, its headers, a valid body) is answered here. From whatever is odd this module keeps its hands: it goes on, body and all,
to the typed route in `usage.py`, which stays the one place that refuses such calls and the one that the OpenAPI document tells
of. Both answer alike to the byte; `tests/rest/test_hot.py` compares them.
"""

import re
from collections.abc import Awaitable
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from app.contract.shapes import View
from app.contract.usage import CheckAccess, RecordUsage
from app.edge import coalesce
from app.edge.auth import authenticate_admin
from app.edge.disconnects import CLIENT_GONE_STATUS, ClientGoneError, WhileConnected
from app.edge.messages import Body, Headers, has_one_of_each, has_plain_host, headers_of, send_answer
from app.errors import CallerError, MeterlineError
from app.rest.bodies import is_json, read_command
from app.rest.errors import answer_error, answer_fault
from app.rest.idempotency import with_key
from app.rest.parameters import KEY_HEADER
from app.rest.paths import PREFIX, decoded

USAGE: Final = f"{PREFIX}/usage"
ACCESS: Final = f"{PREFIX}/users/{{userId}}/features/{{featureId}}/access"

_USAGE_PATH: Final = USAGE.encode()
_ACCESS_PATH: Final = re.compile(rf"{PREFIX}/users/([^/?]+)/features/([^/?]+)/access".encode())
_DELTA: Final = re.compile(rb"delta=([1-9]\d{0,9})")
_KEY_HEADER: Final = KEY_HEADER.lower().encode()
_HEADERS: Final = ((b"cache-control", b"no-store"), (b"content-type", b"application/json"))


class OddCallError(Exception):
    """A call that the typed route must look at."""


class HotCalls:
    """Goes around the REST door."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        template = _template_of(scope)
        headers = headers_of(scope) if template else {}
        if template is None or not _are_plain(headers, scope):
            await self._app(scope, receive, send)
            return
        scope["path_template"] = template
        body = Body(headers, receive)
        try:
            # First, as everywhere: a stranger learns nothing about parameters or bodies.
            actor = await authenticate_admin(_text(headers.get(b"authorization", b"")))
            asked: Awaitable[View]
            if template == USAGE:
                asked = coalesce.record_usage(actor, await self._usage_command(scope, headers, body))
            else:
                asked = coalesce.check_access(actor, _access_command(scope))
            with WhileConnected(receive):
                view = await asked
        except OddCallError:
            await self._app(scope, body.again, send)
        except ClientGoneError:
            await send_answer(send, CLIENT_GONE_STATUS, (), b"")
        except Exception as error:  # noqa: BLE001 — what is no error of ours is a fault, logged and told as one
            # The call may have happened: this is told here, and not tried again by the typed route.
            await _tell(error, scope, receive, send)
        else:
            await send_answer(send, 200, _HEADERS, msgspec.json.encode(view))

    async def _usage_command(self, scope: Scope, headers: Headers, body: Body) -> RecordUsage:
        if scope["query_string"] or not is_json(_text(headers.get(b"content-type", b""))):
            raise OddCallError
        key = headers.get(_KEY_HEADER)
        try:
            command = read_command(RecordUsage, await body.read(bytes_max=self._max_body_bytes))
            return command if key is None else with_key(command, _text(key))
        except (CallerError, HTTPException) as refusal:
            raise OddCallError from refusal


def _template_of(scope: Scope) -> str | None:
    """Which of the two calls it is, by the path as it was sent."""
    if scope["type"] != ScopeType.HTTP:
        return None
    path = scope.get("raw_path", b"")
    if scope["method"] == "POST" and path == _USAGE_PATH:
        return USAGE
    return ACCESS if scope["method"] == "GET" and _ACCESS_PATH.fullmatch(path) else None


def _are_plain(headers: Headers, scope: Scope) -> bool:
    has_plain_length = headers.get(b"content-length", b"0").isdigit()
    return has_plain_host(headers) and has_plain_length and has_one_of_each(headers, scope)


def _access_command(scope: Scope) -> CheckAccess:
    ids, query = _ACCESS_PATH.fullmatch(scope["raw_path"]), scope["query_string"]
    delta = _DELTA.fullmatch(query) if query else None
    if ids is None or (query and delta is None):
        raise OddCallError
    try:
        return CheckAccess(
            user_id=decoded("userId", ids[1].decode("ascii")),
            feature_id=decoded("featureId", ids[2].decode("ascii")),
            delta=int(delta[1]) if delta else 1,
        )
    except (CallerError, UnicodeDecodeError) as refusal:
        raise OddCallError from refusal


def _text(header: bytes) -> str:
    return header.decode("latin-1")


async def _tell(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    request = Request[None, None, Any](scope)
    answer = answer_error(request, error) if isinstance(error, MeterlineError) else answer_fault(request, error)
    await answer.to_asgi_response(app=None, request=request)(scope, receive, send)
