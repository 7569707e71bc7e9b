"""What the HTTP door answers: the table in `controller`, as code."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
from litestar.datastructures.headers import Accept
from litestar.types import Send

from app.edge.disconnects import CLIENT_GONE_STATUS
from app.edge.messages import send_answer
from app.errors import AuthenticationError, InvalidInputError, MeterlineError, OverloadedError
from app.graphql.errors import INTERNAL_SERVER_ERROR, fault, told

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"

_ALWAYS: Final = {"cache-control": "no-store", "vary": "Accept"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, ready to be sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    async def send(self, send: Send) -> None:
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await send_answer(send, self.status, headers, self.body)


NOBODY: Final = Answer(CLIENT_GONE_STATUS, {}, b"")


@lru_cache(maxsize=256)
def media_type_for(accept: bytes | None) -> str | None:
    """The media type for an `Accept` header, or None if it allows neither of the two."""
    return JSON if accept is None else Accept(accept.decode("latin-1")).best_match([JSON, GRAPHQL_RESPONSE])


def executed(response: dict[str, Any], media_type: str) -> Answer:
    """For what the engine says, whether it could execute anything or not."""
    return _answer(response, _status_of(response, media_type), media_type)


def refused(error: MeterlineError, media_type: str, status: int | None = None) -> Answer:
    """For what keeps the engine from being asked. The status is the error's, unless the caller knows a better one."""
    body = {"errors": [told(error)]}
    if isinstance(error, AuthenticationError) and media_type == JSON:
        return _answer(body, 200, media_type)
    if isinstance(error, AuthenticationError):
        return _answer(body, 401, media_type, {"www-authenticate": "Bearer"})
    if isinstance(error, OverloadedError):
        return _answer(body, 503, media_type, {"retry-after": "1"})
    return _answer(body, status or 400, media_type)


def failed(error: Exception, media_type: str) -> Answer:
    """For a fault of ours, which is logged."""
    return _answer({"errors": [fault(error)]}, 500, media_type)


def no_media_type() -> Answer:
    """For who accepts nothing that we have."""
    return refused(InvalidInputError("Accept", f"must allow {JSON} or {GRAPHQL_RESPONSE}"), JSON, 406)


def _status_of(response: dict[str, Any], media_type: str) -> int:
    if "data" in response or media_type == JSON:
        return 200
    codes = {error["extensions"]["code"] for error in response["errors"]}
    return 500 if INTERNAL_SERVER_ERROR in codes else 400


def _answer(body: dict[str, Any], status: int, media_type: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, {**_ALWAYS, **(headers or {}), "content-type": media_type}, msgspec.json.encode(body))
