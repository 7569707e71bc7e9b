"""The database: the engines of this process, and the one way to open a transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from threading import Lock

import structlog
from psycopg import errors as postgres_errors
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import InternalError, OperationalError
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
#
# Who meters does not wait long for a counter, because others, of other users, wait behind: see `app.edge.threads` for who asks
# again, and `services.usage.record_unheld` for what becomes of a batch.
_METERING_OPTIONS = (
    f"{_SESSION_OPTIONS} -c lock_timeout=250ms -c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
    " -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off"
)
_STATUS_OPTIONS = f"{_SESSION_OPTIONS} -c lock_timeout=1s -c statement_timeout=2s"
_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
# A server that was made a standby, and a transaction that slept too long, as in a process that was stopped for a minute: both
# pass, and psycopg counts neither among its OperationalErrors.
_PASSING = (postgres_errors.ReadOnlySqlTransaction, postgres_errors.IdleInTransactionSessionTimeout)

_AFTER_COMMIT = "after_commit"


class Pool(Enum):
    """Which of the process's connections a transaction takes."""

    GENERAL = auto()
    # Calls that count usage, each on its own: batches, reverts, reservations.
    METERING = auto()
    # Group commit: usage, usage that is held up, access. A connection for each lane, so that none waits for one.
    LANES = auto()
    # How it is going, for monitors: they ask just when everything else is busy, and must not make it busier.
    STATUS = auto()
    # Who is calling. Whatever keeps the general ones busy, callers can be let in to what does not need them.
    KEYS = auto()


_SIZES = {Pool.METERING: 4, Pool.LANES: 3, Pool.KEYS: 2, Pool.STATUS: 1}
_OPTIONS = {Pool.STATUS: _STATUS_OPTIONS}
_engines: dict[Pool, Engine] = {}
_making = Lock()


def engine(pool: Pool = Pool.GENERAL) -> Engine:
    """The process's engine for such connections. After a fork the child must call `forget_engines` before it uses one."""
    made = _engines.get(pool)
    if made is None:
        # The first threads of a process come at once, and a second engine's connections would be nobody's.
        with _making:
            made = _engines[pool] = _engines.get(pool) or _engine(pool)
    return made


def _engine(pool: Pool) -> Engine:
    meters = pool in (Pool.METERING, Pool.LANES)
    return create_engine(
        settings().database_url,
        pool_size=_SIZES.get(pool, settings().database_pool_size),
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,  # an error's text ends up in the log, and parameters are names, emails and metadata
        # A restarted Postgres costs a ping per transaction, not a failed request per connection. What meters is not pinged: it
        # tries again when a connection turns out to be gone (`services.meters.run_metering`).
        pool_pre_ping=not meters,
        connect_args={
            "options": _METERING_OPTIONS if meters else _OPTIONS.get(pool, _SESSION_OPTIONS),
            "application_name": "meterline",
            "connect_timeout": 5,
        },
    )


def forget_engines() -> None:
    """Drop the engines without closing their connections: they belong to the parent process."""
    _drop_engines(close=False)


def close_engines() -> None:
    """Close all connections. The next use opens new ones."""
    _drop_engines(close=True)


def _drop_engines(*, close: bool) -> None:
    while _engines:
        _, dropped = _engines.popitem()
        dropped.dispose(close=close)


@contextmanager
def transaction(pool: Pool = Pool.GENERAL, *, snapshot: bool = False) -> Iterator[Session]:
    """A session whose work is committed when the block ends, and rolled back when it raises. READ COMMITTED.

    Only services open one, and no network call belongs inside. With `snapshot` it can only read, and all of its statements see
    the database as it was at the first: what they say can be compared.

    Raises:
        OverloadedError: a lock (then it is `held_up`), a connection or a statement was not had in time, two transactions waited
            for each other, or the database went away. Unless `nothing_done`, that was during COMMIT and nobody knows whether it
            happened; an idempotency key makes a repeat safe either way.
    """
    committing = False
    try:
        with Session(engine(pool), expire_on_commit=False) as session:
            if snapshot:
                session.connection(execution_options=_SNAPSHOT)
            yield session
            session.flush()
            committing = True
            session.commit()
        for call in session.info.pop(_AFTER_COMMIT, ()):
            call()
    except (OperationalError, InternalError, PoolTimeoutError) as failure:
        reason = getattr(failure, "orig", None)
        if isinstance(failure, InternalError) and not isinstance(reason, _PASSING):
            raise
        held_up = isinstance(reason, postgres_errors.LockNotAvailable)
        note = log.info if held_up else log.warning
        note("database.unavailable", sqlstate=getattr(reason, "sqlstate", None))
        raise OverloadedError(
            "The database is busy or away. Repeat the call in a moment; calls that count usage with the same idempotency key.",
            nothing_done=not committing,
            held_up=held_up,
        ) from failure


def after_commit(session: Session, call: Callable[[], None]) -> None:
    """Call this once the session's transaction is committed; if it is rolled back, never. It must not raise, nor wait."""
    session.info.setdefault(_AFTER_COMMIT, []).append(call)
