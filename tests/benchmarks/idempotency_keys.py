"""What it costs to keep idempotency keys for good: four designs of ledger and keys, measured on a server of its own.

Each figure is one client's whole transaction: lock the counters, look up the keys, count, append the events, keep the keys. The
designs take turns, because machines are noisy. "cold" is the time right after a checkpoint, "steady" what follows later.
"""

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from uuid import UUID

import click
import psycopg

from app.dev.postgres import EmbeddedPostgres
from tests.benchmarks import ledger_designs as ledger
from tests.benchmarks.ledger_designs import DESIGNS, USERS, Batch
from tests.benchmarks.ledger_lookups import measure_lookups

_SETTINGS = {"max_wal_size": "4GB", "checkpoint_timeout": "15min", "autovacuum": "off"}
# As the recorder's statements must be run: planned once, and not by the size that the table had then.
_OPTIONS = (
    "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
    " -c jit=off"
)
_WARM_EVENTS = 100_000
_FOR_ONE = {"keys_a": "A", "keys_b": "B", "events_c": "C"}


@dataclass(frozen=True)
class Cost:
    """Of one event, in the whole transaction."""

    wall_us: float
    server_us: float
    wal_bytes: float
    page_images: float


class Meter:
    """One client's connection, and what its transactions cost."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True, options=_OPTIONS, prepare_threshold=0)
        self.pid = self.connection.info.backend_pid

    def run(self, design: str, size: int, *, events: int = 10**9, seconds: float = 600.0) -> Cost:
        """Batches of `size` until so many events or seconds, whichever is first."""
        record, spent, done = DESIGNS[design], 0.0, 0
        wal, images, cpu = self._wal(), self._images(), self._cpu()
        while done < events and spent < seconds:
            batch = _batch(size)
            began = time.perf_counter()
            record(self.connection, batch)
            spent += time.perf_counter() - began
            done += size
        return Cost(
            spent / done * 1e6,
            (self._cpu() - cpu) / done * 1e6,
            (self._wal() - wal) / done,
            (self._images() - images) / done,
        )

    def _wal(self) -> int:
        return self._one("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")

    def _images(self) -> int:
        self._one("SELECT 1 FROM pg_stat_force_next_flush()")
        return self._one("SELECT wal_fpi FROM pg_stat_wal")

    def _cpu(self) -> float:
        """Seconds of processor time of our backend; 0 where there is no /proc."""
        stat = Path(f"/proc/{self.pid}/stat")
        if not stat.exists():
            return 0.0
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _one(self, query: str) -> int:
        row = self.connection.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0


def _batch(size: int) -> Batch:
    users = random.sample(range(1, USERS + 1), size)
    return Batch(users, [str(UUID(bytes=os.urandom(16))) for _ in users], datetime.now(UTC))


@click.command(help=__doc__)
@click.option("--events", default=7, show_default=True, type=click.IntRange(4, 7), help="Power of ten to fill to.")
@click.option("--steady", default=200_000, show_default=True, help="Events per design in the steady state.")
@click.option("--cold-seconds", default=10.0, show_default=True, help="How long each design runs after a checkpoint.")
@click.option("--rounds", default=8, show_default=True, help="Turns that the steady state is taken in.")
@click.option("--designs", default="ABCD", show_default=True, help="Which of A, B, C and D.")
@click.option("--partition-days", default=7, show_default=True, help="Of how many days B's partitions are.")
@click.option("--shared-buffers", default="512MB", show_default=True)
@click.option("--wal-compression", default="off", show_default=True, help="off, pglz, or lz4 where it is built in.")
def main(
    events: int,
    steady: int,
    cold_seconds: float,
    rounds: int,
    designs: str,
    partition_days: int,
    shared_buffers: str,
    wal_compression: str,
) -> None:
    settings = _SETTINGS | {"shared_buffers": shared_buffers, "wal_compression": wal_compression}
    with tempfile.TemporaryDirectory(prefix="meterline-keys-", ignore_cleanup_errors=True) as path:
        home = Path(path)
        home.chmod(0o711)
        _configure(home, settings)
        with EmbeddedPostgres(home) as postgres:
            click.echo(f"10^{events} events, {settings}", err=True)
            _fill(postgres.url, 10**events, designs, partition_days)
            _sizes(postgres.url)
            _measure(postgres.url, designs, 10**events, steady, cold_seconds, rounds)
            measure_lookups(postgres.url, _OPTIONS)


def _configure(home: Path, settings: dict[str, str]) -> None:
    with EmbeddedPostgres(home) as postgres, psycopg.connect(postgres.url, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())


def _fill(url: str, events: int, designs: str, partition_days: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(ledger.TABLES.encode())
        ledger.make_partitions(connection, "usage_events", ledger.months_back(3))
        ledger.make_partitions(connection, "keys_b", ledger.key_partitions(partition_days))
    fillers = [
        Thread(target=_fill_tables, args=(url, tables, events, designs), daemon=True)
        for tables in (["usage_events", "keys_b"], ["keys_a", "events_c"])
    ]
    for thread in fillers:
        thread.start()
    for thread in fillers:
        thread.join()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        for statement in filter(str.strip, ledger.INDEXES.split(";")):
            began = time.perf_counter()
            connection.execute(statement.encode())
            click.echo(f"{time.perf_counter() - began:6.1f} s {statement.strip()[:90]}", err=True)
        connection.execute("ANALYZE")


def _fill_tables(url: str, tables: Sequence[str], events: int, designs: str) -> None:
    kept = ledger.first_week_kept()
    with psycopg.connect(url, autocommit=True) as connection:
        for table in tables:
            if table in _FOR_ONE and _FOR_ONE[table] not in designs:
                continue
            for first, last in ledger.chunks(events):
                values = {"first": first, "last": last, "events": events, "kept": kept}
                connection.execute(ledger.FILL[table].encode(), values)
                click.echo(f"{table}: {last} of {events}", err=True)


# `pg_partition_tree` knows nothing of a table that is not partitioned.
_SIZES = """
WITH leaf AS (
  SELECT r.name, coalesce(p.relid, r.name::regclass) AS relid
  FROM (VALUES ('usage_events'), ('keys_a'), ('keys_b'), ('events_c')) r(name)
  LEFT JOIN LATERAL pg_partition_tree(r.name::regclass) p ON true
  WHERE coalesce(p.isleaf, true)
), heap AS (
  SELECT name, sum(pg_table_size(relid))::bigint AS heap, sum(c.reltuples)::bigint AS rows
  FROM leaf JOIN pg_class c ON c.oid = relid GROUP BY 1
), index AS (
  SELECT name, substring(pg_get_indexdef(x.indexrelid) FROM 'btree (.*)') AS columns,
    sum(pg_relation_size(x.indexrelid))::bigint AS size
  FROM leaf JOIN pg_index x ON x.indrelid = relid GROUP BY 1, 2
)
SELECT name, rows, heap, columns, size FROM heap JOIN index USING (name) WHERE rows > 0 ORDER BY 1, 4
"""


def _sizes(url: str) -> None:
    with psycopg.connect(url) as connection:
        for table, rows, heap, columns, size in connection.execute(_SIZES).fetchall():
            per_row = f"heap {heap / rows:.0f} B a row; {columns}: {size / rows:.1f} B a row, {size / 1e6:.0f} MB"
            click.echo(f"{table:13}{rows:>10} rows, {per_row}")


def _measure(url: str, designs: str, events: int, steady: int, cold_seconds: float, rounds: int) -> None:
    meter = Meter(url)
    steady = min(steady, max(events, 20_000))
    meter.connection.execute("CHECKPOINT")
    # Until most pages have had their first touch since the checkpoint: the batches of 1 alone would take too long for that.
    for design in designs:
        meter.run(design, 64, events=min(_WARM_EVENTS, steady // 2))
    click.echo(
        f"{'batch':>6} {'':9}{'us/event':>10}{'server us':>11}{'us/batch':>10}{'WAL B':>8}{'images':>8}{'of B':>7}"
    )
    for size, share in ((64, 1.0), (1, 0.05)):
        costs: dict[str, list[Cost]] = {design: [] for design in designs}
        for number in range(rounds):
            for design in designs if number % 2 else reversed(designs):
                costs[design].append(meter.run(design, size, events=int(steady * share / rounds)))
        _show(size, "steady", costs)
    for size, seconds in ((64, cold_seconds), (1, cold_seconds / 2)):
        costs = {design: [] for design in designs}
        for design in designs:
            meter.connection.execute("CHECKPOINT")
            costs[design].append(meter.run(design, size, seconds=seconds, events=max(events // 2, 2_000)))
        _show(size, "cold", costs)
    meter.connection.close()


def _show(size: int, when: str, costs: dict[str, list[Cost]]) -> None:
    base = [cost.wall_us for cost in costs.get("B", [])]
    for design, rounds in costs.items():
        wall, server, wal, images = (
            statistics.median(getattr(cost, name) for cost in rounds)
            for name in ("wall_us", "server_us", "wal_bytes", "page_images")
        )
        ratio = statistics.median(c.wall_us / b for c, b in zip(rounds, base, strict=True)) if base else 0.0
        click.echo(
            f"{size:>6} {when:7}{design} {wall:>10.1f}{server:>11.1f}{wall * size:>10.0f}{wal:>8.0f}{images:>8.3f}{ratio:>7.2f}"
        )


if __name__ == "__main__":
    sys.exit(main())
