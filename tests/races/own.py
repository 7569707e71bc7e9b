"""A database of a test's own, which it may stop and kill, and a web process on it."""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from app.dev.postgres import EmbeddedPostgres
from tests.dev.starting import CHECKOUT, wait_until
from tests.races.books import Books
from tests.races.web import Web, environment_for


@dataclass(frozen=True, slots=True)
class Own:
    """A durable Postgres with one app, and one web process."""

    postgres: EmbeddedPostgres
    web: Web
    secret_key: str
    books: Books

    def kill_one_backend(self) -> None:
        """`kill -9` of a connection that is at work: Postgres ends all of them, and recovers by itself."""
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            row = connection.execute(
                """SELECT pid FROM pg_stat_activity WHERE application_name = 'meterline'
                ORDER BY state = 'active' DESC, backend_start LIMIT 1"""
            ).fetchone()
        assert row is not None
        os.kill(row[0], signal.SIGKILL)

    def kill_postgres(self) -> None:
        """`kill -9` of the server; its backends notice and end."""
        os.kill(int((self.postgres.place / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        wait_until(lambda: self.postgres.has_died)


@contextmanager
def own_servers(redis_url: str, log: Path) -> Iterator[Own]:
    with tempfile.TemporaryDirectory(prefix="meterline-test-", ignore_cleanup_errors=True) as path:
        home = Path(path)
        home.chmod(0o711)
        with EmbeddedPostgres(home) as postgres:
            environment = environment_for(postgres.url, redis_url)
            _run(["meterline", "migrate"], environment)
            found = re.search(r"prv_test_\w+", _run(["meterline", "apps", "create", "shop"], environment))
            assert found
            web = Web(environment, log)
            try:
                web.wait_until_ready()
                yield Own(postgres, web, found[0], Books(postgres.url, _tenant_id_of(postgres.url, "test_shop")))
            finally:
                web.stop()


def _run(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, capture_output=True, text=True).stdout


def _tenant_id_of(database_url: str, app_id: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT id FROM tenants WHERE public_id = %s", (app_id,)).fetchone()
    assert row is not None
    return int(row[0])
