"""The first of the month: all counters are due in the same minute. How fast are they closed, and who notices?

The limit is what Postgres takes for the writing alone: one INSERT … SELECT and one UPDATE over a copy of the same rows, with the
same indexes. The job is closed by two processes, as a worker of the Procfile has. Meanwhile clients record usage of these very
users.
"""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

import psycopg

from app.services.usage_resets import reset_due
from tests.benchmarks import requests
from tests.benchmarks.load import run_load
from tests.benchmarks.samples import Sample
from tests.benchmarks.servers import Servers, vacuum
from tests.benchmarks.shop import Shop, open_shop

WORKERS = 2
_LOADED_USERS = 10_000
_WARM_UP_SECONDS = 3.0

# 24 months and an hour ago: so that all of them have a period that ended an hour ago.
_BEGUN = "UPDATE subscriptions SET started_at = date_trunc('hour', now()) - interval '24 months 1 hour'"
_ENDED = """
INSERT INTO consumptions (tenant_id, user_key, feature_key, period_start, period_end, used)
SELECT tenant_id, user_key, %s, started_at + interval '23 months', started_at + interval '24 months', 7
FROM subscriptions ORDER BY user_key
"""
_COPY = """
CREATE TABLE bare_counters (LIKE consumptions INCLUDING ALL) WITH (fillfactor = 50);
CREATE TABLE bare_periods (LIKE usage_periods INCLUDING ALL);
INSERT INTO bare_counters SELECT * FROM consumptions ORDER BY user_key;
"""
_BARE = """
INSERT INTO bare_periods
  SELECT tenant_id, user_key, feature_key, period_start, period_end, used, 1000, false, now() FROM bare_counters
  WHERE period_end <= now();
UPDATE bare_counters SET period_start = period_end, period_end = period_end + interval '1 month', used = 0
  WHERE period_end <= now();
"""
_DUE = "SELECT count(*) FROM consumptions WHERE period_end <= now()"


@dataclass(frozen=True, slots=True)
class Resets:
    """Counters a second, without and with clients; and what these clients saw, alone and meanwhile."""

    counters: int
    bare_per_second: float
    closed_per_second: float
    closed_under_load_per_second: float
    alone: Sample
    meanwhile: Sample

    def to_json(self) -> dict[str, float]:
        return {
            "counters": self.counters,
            "bare_per_second": round(self.bare_per_second),
            "closed_per_second": round(self.closed_per_second),
            "closed_under_load_per_second": round(self.closed_under_load_per_second),
            "p99_ms_alone": round(self.alone.p99_ms, 3),
            "p99_ms_meanwhile": round(self.meanwhile.p99_ms, 3),
            "calls_per_second_alone": round(self.alone.per_second),
            "calls_per_second_meanwhile": round(self.meanwhile.per_second),
        }


def measure_resets(servers: Servers, counters: int, *, clients: int, say: Callable[[str], None]) -> Resets:
    """Closes `counters` counters twice: once alone, and once, made due again, under the load of `clients` clients."""
    url = servers.postgres.create("resets")
    with servers.product_at(url):
        say(f"making {counters:,} users")
        shop = open_shop(counters)
        _make_due(url, shop)
        _copy(url)
        say("closing them bare")
        bare = counters / _run_bare(url)
        say(f"closing them by {WORKERS} workers")
        closed = counters / _close_all(url)
        _make_due(url, shop)
        alone, meanwhile, seconds = _under_load(servers, url, shop, clients, say)
    return Resets(counters, bare, closed, counters / seconds, alone, meanwhile)


def _make_due(url: str, shop: Shop) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_BEGUN)
        connection.execute("TRUNCATE consumptions, usage_periods CASCADE")
        connection.execute(_ENDED, (shop.feature_keys[0],))
    vacuum(url)


def _copy(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_COPY)
    vacuum(url)


def _run_bare(url: str) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        began = time.perf_counter()
        connection.execute(_BARE)
        return time.perf_counter() - began


def _close_all(url: str) -> float:
    """The seconds from the first batch to the last, without the start of the processes."""
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(WORKERS + 1)
    processes = [spawn.Process(target=close_until_none_is_due, args=(ready,)) for _ in range(WORKERS)]
    for process in processes:
        process.start()
    ready.wait()
    began = time.perf_counter()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - began
    with psycopg.connect(url) as connection:
        row = connection.execute(_DUE).fetchone()
        if row != (0,):
            raise RuntimeError(f"still due: {row}")
    return seconds


def close_until_none_is_due(ready: "multiprocessing.synchronize.Barrier") -> None:
    """What a job's process does, one run after the other."""
    ready.wait()
    while reset_due().more:
        pass


def _under_load(
    servers: Servers, url: str, shop: Shop, clients: int, say: Callable[[str], None]
) -> tuple[Sample, Sample, float]:
    """What the clients see alone, what they see meanwhile, and how many seconds the closing took."""
    web = servers.web(url)
    stream = requests.rest(shop.tenant.secret_key, [f"u{number}" for number in range(min(_LOADED_USERS, shop.users))])

    def load(seconds: float) -> Sample:
        return run_load(web.url, clients, seconds, stream, b'"recorded":true')

    load(_WARM_UP_SECONDS)
    say(f"{clients} clients alone")
    alone = _together([load(1.0) for _ in range(5)])
    say(f"{clients} clients while {WORKERS} workers close")
    with ThreadPoolExecutor(1) as thread:
        closing = thread.submit(_close_all, url)
        rounds = []
        while not closing.done():
            rounds.append(load(1.0))
    return alone, _together(rounds), closing.result()


def _together(rounds: list[Sample]) -> Sample:
    """All of them, and the medians of what a second's clients saw."""
    return Sample(
        requests=sum(sample.requests for sample in rounds),
        seconds=sum(sample.seconds for sample in rounds),
        p50_ms=median(sample.p50_ms for sample in rounds),
        p99_ms=median(sample.p99_ms for sample in rounds),
    )
