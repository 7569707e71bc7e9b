"""The database: the engines of this process, and the one way to open a transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import structlog
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel import Session

from app.errors import OverloadedError
from app.settings import settings

log = structlog.get_logger(__name__)

# A lock that is not had in 5 s and a statement that takes 30 s are faults: better an error than a pool full of waiters.
_SESSION_OPTIONS = (
    "-c timezone=UTC -c lock_timeout=5s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"
)
# The metering statements are few and set-wise, and the right plan for each is always the one by index. Planned anew for each
# batch they take twice the time, and a plan made while a table was young and small would read it whole when it has grown.
_FIXED_PLANS = (
    "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
    " -c jit=off"
)
# Both lanes of a web process, and two more for batches, reverts and reservations, which are calls of their own.
METERING_POOL_SIZE = 4


@cache
def engine() -> Engine:
    """The process's engine. After a fork the child must call `forget_engines` before it uses the database."""
    # A restarted Postgres costs a ping per transaction, not a failed request per connection.
    return _engine(_SESSION_OPTIONS, settings().database_pool_size, ping=True)


@cache
def metering_engine() -> Engine:
    """Connections for metering alone. They are not pinged: who meters tries again when a connection turns out to be gone."""
    return _engine(f"{_SESSION_OPTIONS} {_FIXED_PLANS}", METERING_POOL_SIZE, ping=False)


def _engine(options: str, pool_size: int, *, ping: bool) -> Engine:
    return create_engine(
        settings().database_url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,  # an error's text ends up in the log, and parameters are names, emails and metadata
        pool_pre_ping=ping,
        connect_args={"options": options, "application_name": "meterline", "connect_timeout": 5},
    )


def forget_engines() -> None:
    """Drop the engines without closing their connections: they belong to the parent process."""
    _drop_engines(close=False)


def close_engines() -> None:
    """Close all connections. The next use opens new ones."""
    _drop_engines(close=True)


def _drop_engines(*, close: bool) -> None:
    for one in (engine, metering_engine):
        if one.cache_info().currsize:
            one().dispose(close=close)
            one.cache_clear()


@contextmanager
def transaction(*, metering: bool = False) -> Iterator[Session]:
    """A session whose work is committed when the block ends, and rolled back when it raises. READ COMMITTED.

    Only services open one, and no network call belongs inside. With `metering` its plans are fixed (see above).

    Raises:
        OverloadedError: a lock, a connection or a statement was not had in time, two transactions waited for each other, or the
            database went away. Unless `nothing_done`, that was during COMMIT and nobody knows whether it happened; an
            idempotency key makes a repeat safe either way.
    """
    committing = False
    try:
        with Session(metering_engine() if metering else engine(), expire_on_commit=False) as session:
            yield session
            session.flush()
            committing = True
            session.commit()
    except (OperationalError, PoolTimeoutError) as failure:
        log.warning("database.unavailable", sqlstate=getattr(getattr(failure, "orig", None), "sqlstate", None))
        raise OverloadedError(
            "The database is busy or away. Repeat the call in a moment; calls that count usage with the same idempotency key.",
            nothing_done=not committing,
        ) from failure
