"""Who is calling the admin API: both doors ask here."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from typing import Final

from app.contract.actors import Actor
from app.edge.threads import in_door_thread
from app.errors import AuthenticationError
from app.services.tenants import authenticate_secret_key
from app.settings import settings

_REMEMBERED_MAX: Final = 10_000


class RecentActors:
    """Keys that proved good a moment ago, so that not every request asks the database. Keyed by digest, bounded."""

    def __init__(self) -> None:
        self._actors: OrderedDict[bytes, tuple[float, Actor]] = OrderedDict()

    def get(self, digest: bytes) -> Actor | None:
        until, actor = self._actors.get(digest, (0.0, None))
        return actor if time.monotonic() < until else None

    def remember(self, digest: bytes, actor: Actor) -> None:
        self._actors[digest] = (time.monotonic() + settings().api_key_cache_seconds, actor)
        self._actors.move_to_end(digest)
        if len(self._actors) > _REMEMBERED_MAX:
            self._actors.popitem(last=False)


_recent = RecentActors()
_asking: dict[bytes, asyncio.Task[Actor]] = {}


async def authenticate_admin(authorization: str | None) -> Actor:
    """The caller of the admin API, from the `Authorization` header: a secret key, with or without `Bearer `.

    A key that was revoked may be accepted for API_KEY_CACHE_SECONDS more by a process that has just seen it.

    Raises:
        AuthenticationError: no key, a bad one, a public one, or a user token.
    """
    presented = _without_scheme(authorization or "")
    if not presented:
        raise AuthenticationError("the Authorization header must carry a secret key (prv_…)")
    if presented.startswith("ey") and presented.count(".") == 2:
        raise AuthenticationError("this API needs a secret key (prv_…), not a user token")
    digest = _digest(presented)
    return _recent.get(digest) or await _asked(digest, presented)


async def _asked(digest: bytes, presented: str) -> Actor:
    """What the database says. A busy customer's calls, which all forget the key at the same instant, ask together once."""
    task = _asking.get(digest)
    if task is None:
        task = _asking[digest] = asyncio.create_task(_ask(digest, presented))
        task.add_done_callback(lambda _: _asking.pop(digest))
    # Whoever gives up waiting must not end it for the others.
    return await asyncio.shield(task)


async def _ask(digest: bytes, presented: str) -> Actor:
    actor = await in_door_thread(authenticate_secret_key, presented)
    _recent.remember(digest, actor)
    return actor


def _digest(presented: str) -> bytes:
    return hashlib.sha256(presented.encode()).digest()


def _without_scheme(authorization: str) -> str:
    scheme, separator, rest = authorization.strip().partition(" ")
    return rest.strip() if separator and scheme.lower() == "bearer" else authorization.strip()
