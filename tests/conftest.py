"""Real servers for the tests: one Postgres and one Valkey for each process that runs a part of them.

Most tests share one migrated database and have a tenant each (`tenant`); a test that needs a database to itself asks for
`database_url`.
"""

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import freezegun
import psycopg
import pytest
from hypothesis import settings as hypothesis_settings
from psycopg import sql

from app import migrating
from app.db import close_engines
from app.dev.postgres import EmbeddedPostgres
from app.dev.valkey import EmbeddedValkey
from app.settings import settings
from tests.tenants import Tenant, new_tenant

# No deadline: a slow example means a busy machine and not a defect. CI tries the same examples every time, so that a red run
# can be repeated; a developer's runs look further each time.
hypothesis_settings.register_profile("laptop", deadline=None, max_examples=200)
hypothesis_settings.register_profile("repeatable", deadline=None, max_examples=200, derandomize=True)
hypothesis_settings.load_profile("repeatable" if os.environ.get("CI") else "laptop")

# A test's own duration is told in real seconds, also when it lets time stand still.
freezegun.configure(extend_ignore_list=["_pytest.timing"])

_TEMPLATE = "migrated"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def servers_home() -> Iterator[Path]:
    """A home for servers that no `make dev` shares, where the account that root gives Postgres can get in."""
    with tempfile.TemporaryDirectory(prefix="meterline-test-", ignore_cleanup_errors=True) as path:
        home = Path(path)
        home.chmod(0o711)
        yield home


@pytest.fixture(scope="session")
def postgres(servers_home: Path) -> Iterator[EmbeddedPostgres]:
    """The run's Postgres. It need not survive a power cut."""
    with EmbeddedPostgres(servers_home, durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres: EmbeddedPostgres) -> str:
    """An empty database that tests share; nothing is migrated here."""
    return postgres.url


@pytest.fixture(scope="session")
def valkey(servers_home: Path) -> Iterator[EmbeddedValkey]:
    """The run's Valkey."""
    with EmbeddedValkey(servers_home) as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(valkey: EmbeddedValkey) -> str:
    """Database 0 of the run's Valkey, as REDIS_URL."""
    return valkey.url


@pytest.fixture(scope="session")
def migrated_template(postgres: EmbeddedPostgres) -> str:
    """The database that is migrated once and copied for each test; nothing may connect to it."""
    _execute(postgres, "CREATE DATABASE {}", _TEMPLATE)
    migrating.upgrade(postgres.url_of(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """A migrated database that this test has to itself."""
    name = f"test_{next(_numbers)}"
    # Copying files takes a quarter of the time of copying through the log.
    _execute(postgres, "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, migrated_template)
    yield postgres.url_of(name)
    _execute(postgres, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def product(postgres: EmbeddedPostgres, migrated_template: str, redis_url: str) -> Iterator[str]:
    """Points the product in this process at a migrated database and at Valkey; the URL of that database."""
    _execute(postgres, "CREATE DATABASE product TEMPLATE {} STRATEGY file_copy", migrated_template)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("METERLINE_ENV", "development")
        environment.setenv("DATABASE_URL", postgres.url_of("product"))
        environment.setenv("REDIS_URL", redis_url)
        settings.cache_clear()
        close_engines()
        yield postgres.url_of("product")
        close_engines()
    settings.cache_clear()


@pytest.fixture
def tenant(product: str) -> Tenant:
    return new_tenant()


@pytest.fixture
def other_tenant(product: str) -> Tenant:
    return new_tenant()


def _execute(postgres: EmbeddedPostgres, statement: str, *names: str) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
