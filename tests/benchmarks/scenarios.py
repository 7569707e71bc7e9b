"""What is measured, by name."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from tests.benchmarks import requests
from tests.benchmarks.load import answer_to
from tests.benchmarks.measures import Measure, over_http, with_cpu
from tests.benchmarks.pgbench import PgbenchLoad
from tests.benchmarks.rivals import database as rival_database
from tests.benchmarks.stage import Stage
from tests.races.web import Web

DISTINCT, HOT = "distinct", "one"
"""Whose usage: another user's each time, or always the same one's."""

_WARM_UP_CLIENTS, _WARM_UP_SECONDS = 32, 0.5


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request: who serves it, and what it is. The answer must contain `expected`."""

    label: str
    server: Callable[[Stage], Web]
    stream: Callable[[str, Sequence[str]], Iterator[bytes]]
    expected: bytes = b'"recorded":true'
    events: int = 1
    is_ours: bool = True
    has_rows: bool = True


KINDS = {
    "bare": Kind("echo, bare ASGI", attrgetter("bare_echo"), requests.rest, is_ours=False, has_rows=False),
    "echo": Kind("echo, typed Litestar", attrgetter("typed_echo"), requests.rest, is_ours=False, has_rows=False),
    "rest": Kind("REST recordUsage", attrgetter("product"), requests.rest),
    "rest-keys": Kind("REST recordUsage, with key", attrgetter("product"), requests.rest_with_keys),
    "graphql": Kind("GraphQL recordUsage", attrgetter("product"), requests.graphql),
    "access": Kind("REST canUseFeature", attrgetter("product"), requests.access, b'"access":true'),
    "batch": Kind("REST batch of 100", attrgetter("product"), requests.batch, events=requests.BATCH),
    "fastapi": Kind("FastAPI + SQLAlchemy", attrgetter("fastapi"), requests.rest, is_ours=False),
    "strawberry": Kind("Strawberry + SQLAlchemy", attrgetter("strawberry"), requests.graphql, is_ours=False),
}
PGBENCH = "pgbench"
NAMES = (*KINDS, PGBENCH)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table."""

    name: str
    users: str
    label: str
    events: int
    """How many in each request."""
    measure: Measure


def scenarios(stage: Stage, names: Sequence[str], say: Callable[[str], None]) -> list[Scenario]:
    """Those of these names that can be measured, warmed up."""
    found = []
    for name in NAMES:
        if name in names:
            say(f"preparing {name}")
            found += _by_pgbench(stage) if name == PGBENCH else _of_kind(stage, name, say)
    for scenario in found:
        scenario.measure(_WARM_UP_CLIENTS, _WARM_UP_SECONDS)
    return found


def _of_kind(stage: Stage, name: str, say: Callable[[str], None]) -> Iterator[Scenario]:
    kind = KINDS[name]
    web = kind.server(stage)
    secret_key = stage.shop.tenant.secret_key if kind.is_ours else rival_database.SECRET_KEY
    for users in (DISTINCT, HOT) if kind.has_rows else (DISTINCT,):
        stream = kind.stream(secret_key, [f"u{number}" for number in range(1 if users == HOT else stage.users)])
        if answer_to(web.url, next(stream)).startswith(b"HTTP/1.1 404"):
            say(f"{name} is skipped: the server has no such path")
            return
        measure = over_http(web, stage.servers.postgres.pid, stream, kind.expected)
        yield Scenario(name, users, kind.label, kind.events, measure)


def _by_pgbench(stage: Stage) -> Iterator[Scenario]:
    postgres = stage.servers.postgres
    for users in (DISTINCT, HOT):
        load = PgbenchLoad(postgres, postgres.url, stage.shop, hot=users == HOT)
        yield Scenario(PGBENCH, users, "pgbench, a transaction each", 1, with_cpu(load.run, None, postgres.pid))
