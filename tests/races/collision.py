"""Calls that are sure to meet: they are let in while we hold the row that they all need, and then let go together."""

import asyncio
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import psycopg
from psycopg import sql

from tests.races.books import Books
from tests.races.doors import RefusedError, at_once

T = TypeVar("T")
Row = tuple[Literal["users", "packages", "features"], str]

# Below the product's own lock timeout of 5 s.
_PATIENCE_SECONDS = 4.0


async def collided(
    books: Books, rows: Sequence[Row], calls: Sequence[Awaitable[T]], *, waiting: int | None = None
) -> list[T | RefusedError]:
    """Outcomes in the order of the calls. `waiting` is how many of them need one of the rows; all, unless said."""
    with held(books, rows) as connection:
        racing = asyncio.create_task(_outcomes(calls))
        await until_waiting(connection, len(calls) if waiting is None else waiting)
    return await racing


async def _outcomes(calls: Sequence[Awaitable[T]]) -> list[T | RefusedError]:
    return await at_once(calls)


@contextmanager
def held(books: Books, rows: Sequence[Row]) -> Iterator[psycopg.Connection[Any]]:
    """The rows are ours until the block ends; whoever needs one waits."""
    with psycopg.connect(books.database_url) as connection:
        for table, row_id in rows:
            connection.execute(
                sql.SQL("SELECT FROM {} WHERE tenant_id = %s AND id = %s FOR UPDATE").format(sql.Identifier(table)),
                (books.tenant_id, row_id),
            )
        yield connection


@contextmanager
def counters_held(books: Books) -> Iterator[psycopg.Connection[Any]]:
    """Every counter of every tenant is ours until the block ends: each web process stands still with the batch it has begun."""
    with psycopg.connect(books.database_url) as connection:
        connection.execute("LOCK TABLE consumptions IN EXCLUSIVE MODE")
        yield connection


async def until_waiting(connection: psycopg.Connection[Any], count: int) -> None:
    """Until so many transactions of the product wait for a row."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _waiting(connection) < count:
        assert time.monotonic() < deadline, "not all of the calls came to wait for the rows"
        await asyncio.sleep(0.005)


def _waiting(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(
        """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'meterline'"""
    ).fetchone()
    # The view is frozen for a transaction at its first reading.
    connection.execute("SELECT pg_stat_clear_snapshot()")
    return int(row[0]) if row else 0
