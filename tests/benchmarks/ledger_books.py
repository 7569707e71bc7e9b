"""What it costs to prove the books, beside two simpler ways to do it; and to drop a month, beside deleting it.

`python -m tests.benchmarks.ledger_books --events 7`. On a server of its own, filled behind the services' back: a year of events
with keys, a hundred for each user, all in the running period; and two tenants with a single user each.
"""

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import psycopg

from app import logs, migrating
from app.db import Pool, transaction
from app.dev.postgres import EmbeddedPostgres
from app.domain.periods import Period
from app.queries.ledger import DIGEST, replayed_totals
from app.services.books import Step, check_books
from app.services.ledger_partitions import make_ahead

BEGUN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=364)

_TENANT = """
INSERT INTO tenants (public_id, name, enforcement, created_at) VALUES ('{tenant}', 'bench', 'REFUSE', now());
INSERT INTO users (tenant_id, id, metadata, created_at, updated_at)
  SELECT t.id, 'user-' || n, '{{}}', now(), now() FROM tenants t, generate_series(1, {users}) n WHERE public_id = '{tenant}';
INSERT INTO features (tenant_id, id, type, metadata, created_at, updated_at)
  SELECT id, 'calls', 'CONSUMABLE', '{{}}', now(), now() FROM tenants WHERE public_id = '{tenant}';
CREATE TEMP TABLE pair AS SELECT row_number() OVER () - 1 AS n, u.tenant_id, u.key AS user_key, f.key AS feature_key
  FROM users u JOIN features f USING (tenant_id) JOIN tenants t ON t.id = u.tenant_id WHERE public_id = '{tenant}';
CREATE INDEX ON pair (n);
INSERT INTO usage_events (tenant_id, user_key, feature_key, at, recorded_at, action, delta, applied, recorded, period_start,
    period_end, used_after, budget, overage_enabled, idempotency_key)
  SELECT tenant_id, user_key, feature_key, at, at, 'ADD', amount, amount, true, '{begun}', '{ends}', 1, 1000000, false,
    {key}
  FROM (SELECT i, (random() * ({users} - 1))::int AS n, 1 + i % 5 - {less} * ((i + 1) % 2) AS amount,
      '{begun}'::timestamptz + i * (interval '363 days' / {events}) AS at FROM generate_series(1, {events}) i) e
  JOIN pair USING (n) ORDER BY i;
INSERT INTO consumptions (tenant_id, user_key, feature_key, period_start, period_end, used)
  SELECT tenant_id, user_key, feature_key, '{begun}', '{ends}', sum(applied)
  FROM usage_events JOIN pair USING (tenant_id, user_key, feature_key) GROUP BY 1, 2, 3;
DROP TABLE pair;
"""
_KEYS = f"""
INSERT INTO idempotency_keys SELECT tenant_id, {DIGEST.format("idempotency_key")}, id, at FROM usage_events
WHERE idempotency_key IS NOT NULL ORDER BY 1, 2
"""
_SAMPLE = "SELECT user_key, feature_key FROM consumptions WHERE tenant_id = 1 ORDER BY 1 LIMIT 10000"
_KEY_BY_KEY = f"""
SELECT count(*) FILTER (WHERE k.event_id = e.id), count(*) FROM (
  SELECT * FROM usage_events WHERE tenant_id = 1 AND idempotency_key IS NOT NULL ORDER BY id LIMIT 200000
) e LEFT JOIN idempotency_keys k ON k.tenant_id = e.tenant_id AND k.digest = {DIGEST.format("e.idempotency_key")}
"""


@click.command(help=__doc__)
@click.option("--events", "power", default=7, show_default=True, type=click.IntRange(4, 8), help="Power of ten.")
def main(power: int) -> None:
    with tempfile.TemporaryDirectory(prefix="meterline-books-", ignore_cleanup_errors=True) as path:
        home = Path(path)
        home.chmod(0o711)
        with EmbeddedPostgres(home) as postgres:
            os.environ.update(METERLINE_ENV="development", DATABASE_URL=postgres.url, LOG_LEVEL="WARNING")
            logs.configure()
            _fill(postgres.url, 10**power)
            _measure(postgres.url, 10**power)


def _fill(url: str, events: int) -> None:
    migrating.upgrade(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for name in connection.execute(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relname ~ '_p20'"
        ).fetchall():
            connection.execute(f"DROP TABLE {name[0]}".encode())
        make_ahead(BEGUN, 15)
        small = max(events // 10, 1000)
        _add(connection, "test_many", users=events // 100, events=events, key="'request-' || i")
        _add(connection, "test_one", users=1, events=small)
        _add(connection, "test_back_and_forth", users=1, events=small, less=3)
        connection.execute(_KEYS.encode())
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _add(
    connection: psycopg.Connection, tenant: str, *, users: int, events: int, key: str = "NULL", less: int = 0
) -> None:
    click.echo(f"filling {tenant}: {events:,} events", err=True)
    ends = BEGUN + timedelta(days=400)
    statement = _TENANT.format(tenant=tenant, users=users, events=events, key=key, less=less, begun=BEGUN, ends=ends)
    connection.execute(statement.encode())


def _measure(url: str, events: int) -> None:
    click.echo(f"{'':48}{'events':>12}{'seconds':>10}{'server s':>10}{'us/event':>10}")
    with psycopg.connect(url, autocommit=True) as observer:
        for tenant in ("test_many", "test_one", "test_back_and_forth"):
            _check(observer, tenant)
        with _told(observer, "simpler: counter by counter, 10,000 of them") as told:
            told(_counter_by_counter(url))
        with _told(observer, "simpler: key by key, 200,000 of them") as told:
            told(_key_by_key(url))
        click.echo(f"memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB at most")
        _drop(url, observer)


def _check(observer: psycopg.Connection, tenant: str) -> None:
    spent: dict[Step, tuple[int, float, float]] = {}
    began, server = time.perf_counter(), _server_seconds(observer)
    for part in check_books(tenant):
        assert part.differences == []
        now, server_now = time.perf_counter(), _server_seconds(observer)
        events, seconds, server_seconds = spent.get(part.step, (0, 0.0, 0.0))
        spent[part.step] = (events + part.events, seconds + now - began, server_seconds + server_now - server)
        began, server = now, server_now
    for step, (events, seconds, server_seconds) in spent.items():
        _tell(f"check {tenant}: {step}", events, seconds, server_seconds)


def _counter_by_counter(url: str) -> int:
    """The replay that recording uses, for a thousand counters a statement."""
    with transaction(Pool.METERING) as session:
        pairs = session.connection().exec_driver_sql(_SAMPLE).all()
        windows = [((1, *pair), Period(BEGUN, BEGUN + timedelta(days=400))) for pair in pairs]
        for first in range(0, len(windows), 1000):
            replayed_totals(session, windows[first : first + 1000])
    return len(windows) * 100


def _key_by_key(url: str) -> int:
    with transaction(Pool.METERING) as session:
        right, count = session.connection().exec_driver_sql(_KEY_BY_KEY).one()
    assert right == count
    return int(count)


def _drop(url: str, observer: psycopg.Connection) -> None:
    """Two months of about the same size."""
    with psycopg.connect(url, autocommit=True, application_name="meterline") as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '_p20' ORDER BY 1"
            )
        ]
        counts = {
            name: connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchone()[0] for name in names[1:4]
        }
        deleted, dropped, detached = counts
        with _told(observer, "a month: DELETE") as told:
            told(
                connection.execute(f"DELETE FROM usage_events WHERE tableoid = '{deleted}'::regclass".encode()).rowcount
            )
        with _told(observer, "a month: the VACUUM after DELETE") as told:
            connection.execute(f"VACUUM {deleted}".encode())
            told(counts[deleted])
        with _told(observer, "a month: DROP") as told:
            connection.execute(f"DROP TABLE {dropped}".encode())
            told(counts[dropped])
        with _told(observer, "a month: DETACH") as told:
            connection.execute(f"ALTER TABLE usage_events DETACH PARTITION {detached}".encode())
            told(counts[detached])


@contextmanager
def _told(observer: psycopg.Connection, what: str) -> Iterator[Callable[[int], None]]:
    """Prints how long the block took and how much processor time of the server, for as many events as it says."""
    counts: list[int] = []
    began, server = time.perf_counter(), _server_seconds(observer)
    yield counts.append
    _tell(what, counts[0], time.perf_counter() - began, _server_seconds(observer) - server)


def _tell(what: str, events: int, seconds: float, server_seconds: float) -> None:
    per_event = server_seconds / max(events, 1) * 1e6
    click.echo(f"{what:48}{events:>12,}{seconds:>10.2f}{server_seconds:>10.2f}{per_event:>10.2f}")


def _server_seconds(observer: psycopg.Connection) -> float:
    """Processor time of the backends that work for us; 0 where there is no /proc."""
    total = 0.0
    for (pid,) in observer.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'meterline'"):
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists():
            fields = stat.read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


if __name__ == "__main__":
    main()
