"""What both rivals do with a call, through SQLAlchemy's ORM: lock the counter, check, insert the event, update, commit."""

import hashlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from tests.benchmarks.rivals.tables import ApiKey, Counter, Event

_KEY_SECONDS = 5.0
# More than Meterline has, because here a request holds a connection for as long as it lasts; 40 were no faster.
_POOL_SIZE = 20


class UnknownKeyError(Exception):
    pass


class UnknownCounterError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Recorded:
    event: Event
    counter: Counter
    duplicate: bool


class Usage:
    """The service, on the database that DATABASE_URL names."""

    def __init__(self) -> None:
        self._engine: AsyncEngine = create_async_engine(
            os.environ["DATABASE_URL"], pool_size=_POOL_SIZE, max_overflow=0, pool_timeout=30
        )
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)
        self._tenants: dict[str, tuple[float, int]] = {}

    @asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        yield
        await self._engine.dispose()

    async def tenant_of(self, key: str) -> int:
        """The tenant of an API key, remembered for a few seconds. Raises UnknownKeyError."""
        until, tenant_id = self._tenants.get(key, (0.0, 0))
        if time.monotonic() < until:
            return tenant_id
        async with self._sessions() as session:
            found = await session.get(ApiKey, hashlib.sha256(key.encode()).digest())
        if found is None:
            raise UnknownKeyError
        self._tenants[key] = (time.monotonic() + _KEY_SECONDS, found.tenant_id)
        return found.tenant_id

    async def record(self, tenant_id: int, user_id: str, feature_id: str, delta: int, key: str | None) -> Recorded:
        """One transaction. Raises UnknownCounterError."""
        async with self._sessions() as session, session.begin():
            counter = await session.get(Counter, (tenant_id, user_id, feature_id), with_for_update=True)
            if counter is None:
                raise UnknownCounterError
            if key is not None and (first := await _event_with(session, tenant_id, key)):
                return Recorded(first, counter, duplicate=True)
            fits = counter.overage_enabled or counter.budget is None or counter.used + delta <= counter.budget
            if fits:
                counter.used += delta
            event = Event(
                tenant_id=tenant_id,
                user_id=user_id,
                feature_id=feature_id,
                at=datetime.now(UTC),
                delta=delta,
                recorded=fits,
                reason=None if fits else "The usage would exceed the limit.",
                used_after=counter.used,
                idempotency_key=key,
            )
            session.add(event)
        return Recorded(event, counter, duplicate=False)


async def _event_with(session: AsyncSession, tenant_id: int, key: str) -> Event | None:
    question = select(Event).where(Event.tenant_id == tenant_id, Event.idempotency_key == key)
    return (await session.scalars(question)).one_or_none()
