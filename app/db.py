"""The database: one engine per process, and the one way to open a transaction."""

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


@cache
def engine() -> Engine:
    """The process's engine. After a fork the child must call `forget_engine` before it uses the database."""
    return create_engine(
        settings().database_url,
        pool_size=settings().database_pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,  # an error's text ends up in the log, and parameters are names, emails and metadata
        pool_pre_ping=True,  # a restarted Postgres costs a ping per transaction, not a failed request per connection
        connect_args={"options": _SESSION_OPTIONS, "application_name": "meterline", "connect_timeout": 5},
    )


def forget_engine() -> None:
    """Drop the engine without closing its connections: they belong to the parent process."""
    if engine.cache_info().currsize:
        engine().dispose(close=False)
        engine.cache_clear()


@contextmanager
def transaction() -> Iterator[Session]:
    """A session whose work is committed when the block ends, and rolled back when it raises. READ COMMITTED.

    Only services open one, and no network call belongs inside.

    Raises:
        OverloadedError: a lock, a connection or a statement was not had in time, or the database went away. If that was
            during COMMIT, nobody knows whether it happened; an idempotency key makes a repeat safe either way.
    """
    try:
        with Session(engine(), expire_on_commit=False) as session, session.begin():
            yield session
    except (OperationalError, PoolTimeoutError) as failure:
        log.warning("database.unavailable", sqlstate=getattr(getattr(failure, "orig", None), "sqlstate", None))
        raise OverloadedError(
            "The database is busy or away. Repeat the call in a moment; calls that count usage with the same idempotency key."
        ) from failure
