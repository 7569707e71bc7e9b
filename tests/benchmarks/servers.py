"""The servers of a run: one Postgres for everybody, Valkey, and web processes under the Procfile's flags."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from app import migrating
from app.dev.postgres import EmbeddedPostgres
from app.dev.valkey import EmbeddedValkey
from tests.environment import environment
from tests.races.web import Web, environment_for


class BenchmarkedPostgres(EmbeddedPostgres):
    """Durable, for everybody, and as `make dev` has it set; pgbench needs more connections, one for each client."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, durable=True)
        self._settings = self._settings | {"max_connections": "400"}

    @property
    def pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    @property
    def pgbench(self) -> Path:
        """The program, of the same build as the server."""
        return self._programs / "pgbench"

    def create(self, database: str) -> str:
        """A new, empty database; its URL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        return self.url_of(database)


class Servers:
    """Everything that was started is stopped when the block ends. Use it from the main thread."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._running = ExitStack()

    def __enter__(self) -> "Servers":
        self.postgres = BenchmarkedPostgres(self._home)
        self._running.enter_context(self.postgres)
        self.redis_url = self._running.enter_context(EmbeddedValkey(self._home)).url
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @contextmanager
    def product_at(self, database_url: str, **more: str) -> Iterator[None]:
        """Migrates the database and points the product in this process at it, with more settings."""
        migrating.upgrade(database_url)
        with environment(**self._environment(database_url), **more):
            yield

    def web(self, database_url: str, **more: str) -> Web:
        """The product's web process, with more settings."""
        return self._started(Web({**self._environment(database_url), **more}, self._log("web")))

    def other(self, application: str, ready_path: str, database_url: str = "") -> Web:
        """Another application under the same flags. It gets DATABASE_URL in the form of SQLAlchemy's asyncpg."""
        variables = environment_for(database_url.replace("postgresql:", "postgresql+asyncpg:"), self.redis_url)
        log = self._log(application.rpartition(".")[2].partition(":")[0])
        return self._started(Web(variables, log, application=application, ready_path=ready_path))

    def _started(self, web: Web) -> Web:
        self._running.callback(web.stop)
        web.wait_until_ready()
        return web

    def _environment(self, database_url: str) -> dict[str, str]:
        return environment_for(database_url, self.redis_url) | {"LOG_LEVEL": "WARNING"}

    def _log(self, name: str) -> Path:
        return self._home / f"{name}-{len(list(self._home.glob('*.log')))}.log"


def vacuum(database_url: str) -> None:
    """What autovacuum has done on any server a minute after its data came."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
