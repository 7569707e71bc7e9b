"""A job for the tests of the processes: it counts how often it did each row of a table, and can be made to wait in the middle."""

import os
from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from app.db import transaction
from app.jobs import HEARTBEAT, Job, Queue, enqueue
from app.services.job_runs import run_noted
from app.services.sweeps import Sweep, run

# As often as the heartbeat.
COUNT_ROWS = Job("tests.count_rows", Queue.DEFAULT, "counts", schedule=HEARTBEAT.schedule)
BATCH = 20
# So short that a backlog takes several runs, each of which sends the next.
_RUN_SECONDS = 0.1

TABLES = (
    "CREATE TABLE counted_rows (tenant_id int NOT NULL, id int PRIMARY KEY, times int NOT NULL DEFAULT 0, worker int)",
    # Whoever holds this row keeps the job in the middle of a batch.
    "CREATE TABLE gate (id int PRIMARY KEY)",
    "INSERT INTO gate VALUES (1)",
)

_DUE = """
SELECT id FROM counted_rows WHERE tenant_id = %s AND times = 0 AND NOT id::text = ANY(%s::text[])
ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""
_HANDLE = "UPDATE counted_rows SET times = times + 1, worker = %s WHERE id = ANY(%s::int[])"


def _due(session: Session, tenant_id: int, now: datetime, limit: int, but_not: Sequence[str]) -> Sequence[int]:
    found = session.connection().exec_driver_sql(_DUE, (tenant_id, list(but_not), limit))
    return list(found.scalars())


def _handle(session: Session, rows: Sequence[int], now: datetime) -> None:
    connection = session.connection()
    connection.exec_driver_sql(_HANDLE, (os.getppid(), list(rows)))
    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    connection.exec_driver_sql("SELECT FROM gate FOR SHARE")


def count_rows() -> None:
    """What the job does."""
    run_noted(COUNT_ROWS, lambda: run(Sweep(COUNT_ROWS, _due, _handle, id_of=str, batch=BATCH), _RUN_SECONDS))


def write_rows(tenant_id: int, first: int, count: int) -> None:
    """As an API call does it: rows, and a hint that leaves after the commit."""
    with transaction() as session:
        session.connection().exec_driver_sql(
            "INSERT INTO counted_rows (tenant_id, id) SELECT %s, generate_series(%s::int, %s::int)",
            (tenant_id, first, first + count - 1),
        )
        enqueue(session, COUNT_ROWS)
