"""A stage for real workers: a database and a broker of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.dev.valkey import EmbeddedValkey
from tests.environment import environment
from tests.tenants import Tenant, new_tenant
from tests.workers.counted_rows import TABLES
from tests.workers.stage import Stage


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """One that the test may stop and kill."""
    with EmbeddedValkey(tmp_path) as server:
        yield server


@pytest.fixture
def stage(database_url: str, broker: EmbeddedValkey) -> Iterator[Stage]:
    """This process works on the same servers, as web does."""
    made = Stage(database_url, broker.url)
    for statement in TABLES:
        made.execute(statement)
    with environment(METERLINE_ENV="development", DATABASE_URL=database_url, REDIS_URL=broker.url):
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture
def shop(stage: Stage) -> Tenant:
    return new_tenant()
