"""The ceilings: servers that take the request and give the answer of recordUsage, and do nothing in between."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from litestar import Litestar, post
from litestar.types import ASGIApp, Receive, Scope, Send


class Asked(msgspec.Struct, rename="camel"):
    user_id: str
    feature_id: str
    delta: int = 1
    idempotency_key: str | None = None


class Consumption(msgspec.Struct, rename="camel"):
    used: int
    budget: int | None
    overage_enabled: bool


class Answered(msgspec.Struct, rename="camel"):
    recorded: bool
    reason: str | None
    event_id: str
    duplicate: bool
    consumption: Consumption | None


_ANSWER = Answered(True, None, "1234567", False, Consumption(used=1234, budget=None, overage_enabled=False))
_ANSWER_BYTES = msgspec.json.encode(_ANSWER)


@post("/v1/usage", status_code=200)
async def typed_echo(data: Asked) -> Answered:
    """As the framework's own documentation writes a handler: typed in, typed out."""
    return _ANSWER


def create_typed() -> Litestar:
    """What this framework on this server can do at most for a typed handler: our REST door's ceiling."""
    return Litestar([typed_echo], lifespan=[_garbage_frozen])


@asynccontextmanager
async def _garbage_frozen(_app: Litestar) -> AsyncIterator[None]:
    # As in `app.main`: without it the ceiling would be lower than it is.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    yield


def create_bare() -> ASGIApp:
    """What this server can do at most for Python: no framework, nothing parsed."""
    return _bare_echo


async def _bare_echo(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    while (await receive()).get("more_body", False):
        continue
    length = str(len(_ANSWER_BYTES)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _ANSWER_BYTES, "more_body": False})


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
