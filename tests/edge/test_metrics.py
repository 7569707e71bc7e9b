"""`/metrics`: what Prometheus reads, who may, and that a scrape is nobody else's trouble."""

import asyncio
import platform
import re
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib.metadata import version

import httpx
import pytest
from freezegun.api import FrozenDateTimeFactory
from litestar import Litestar
from prometheus_client.parser import text_string_to_metric_families

from app import clock, jobs
from app.db import transaction
from app.edge import metrics
from app.edge.health import KeptAnswer
from app.edge.metrics import exposition
from app.edge.threads import in_monitor_thread, in_thread
from app.gateways.account_limits import FAILURES_MAX, limits_for
from app.gateways.billing import Lane
from app.queries import stripe_checks
from app.queries.stripe_backlog import note_webhook
from app.rest.errors import rest_exception_handlers
from app.services.job_runs import run_noted
from app.services.job_turns import note_sent, take_due
from tests.dev.starting import CHECKOUT
from tests.environment import DEAD_BROKER, DEAD_DATABASE, environment
from tests.services import test_status
from tests.services.test_status import BEGUN, do_all_jobs, stocked
from tests.test_settings import GOOD_KEY
from tests.until import until

own_database, time = test_status.own_database, test_status.time
TOKEN = "a-token-for-the-scraper"


@pytest.fixture
async def client(product: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    # What other tests were told is not for this one.
    monkeypatch.setattr(metrics, "_exposition", KeptAnswer(exposition, seconds=5, run=in_monitor_thread))
    app = Litestar(
        route_handlers=[metrics.metrics],
        exception_handlers=rest_exception_handlers,
        openapi_config=None,
        logging_config=None,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://meterline.test") as made:
        yield made


def samples() -> dict[str, float]:
    """`name{label}` and its value."""
    families = text_string_to_metric_families(exposition().decode())
    return {
        f"{one.name}{{{','.join(one.labels.values())}}}": one.value for family in families for one in family.samples
    }


def test_all_that_operators_watch_is_there(time: FrozenDateTimeFactory) -> None:
    do_all_jobs(jobs.PRUNE)
    stocked().record()
    time.move_to("2026-02-10T12:00:30Z")
    with pytest.raises(ValueError, match="no"):
        run_noted(jobs.CHECK_BOOKS, fail)
    found = samples()
    assert {name for name in found if "{}" in name} == {
        "meterline_database_up{}",
        "meterline_broker_up{}",
        "meterline_messages_in_hand{}",
        "meterline_rows_set_aside{}",
        "meterline_books_differences{}",
        "meterline_dead_webhooks{}",
        "meterline_dead_meter_reports{}",
        "meterline_ledger_covered_until_timestamp_seconds{}",
        "meterline_workers{}",
    }
    assert found["meterline_oldest_unhandled_seconds{counters}"] == 30
    assert found["meterline_oldest_unhandled_seconds{webhooks}"] == 0
    assert found["meterline_job_last_success_timestamp_seconds{usage.reset_due}"] == BEGUN.timestamp()
    assert "meterline_job_last_success_timestamp_seconds{maintenance.prune}" not in found
    failed_at = (BEGUN + timedelta(days=31, seconds=30)).timestamp()
    assert found["meterline_job_last_failure_timestamp_seconds{maintenance.check_books}"] == failed_at
    assert found["meterline_job_problem{maintenance.prune}"] == 1
    assert found["meterline_job_problem{maintenance.check_books_of}"] == 0
    assert found["meterline_workers{}"] == 0
    assert {name for name in found if name.startswith("meterline_queue_messages")} == {
        f"meterline_queue_messages{{{queue}}}" for queue in jobs.Queue
    }
    assert found[f"meterline_build_info{{{platform.python_version()},{version('meterline')}}}"] == 1


def test_the_page_for_operators_lists_every_metric(time: FrozenDateTimeFactory) -> None:
    with pytest.raises(ValueError, match="no"):
        run_noted(jobs.CHECK_BOOKS, fail)
    for job in take_due():
        note_sent(job)
    run_noted(jobs.PRUNE, lambda: 0)
    with transaction() as session:
        stripe_checks.note(session, "prices:test", clock.now(), 0, 0)
        note_webhook(session, BEGUN)
    with environment(STRIPE_API_KEY="sk_test_metrics"):
        told = {name.partition("{")[0] for name in samples()}
    page = (CHECKOUT / "docs" / "operations.md").read_text()
    # The first cells of the table: the page names other things that begin like this.
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `meterline_")]
    assert set(re.findall(r"`(meterline_\w+)", " ".join(cells))) == told


def test_with_a_key_to_stripe_it_is_told_how_that_does(time: FrozenDateTimeFactory) -> None:
    with environment(STRIPE_API_KEY="sk_test_metrics"):
        limits = limits_for(Lane.LINKS)
        limits.note_rate_limited("endpoint-rate")
        found = samples()
        assert found["meterline_stripe_up{}"] == 1
        assert found["meterline_stripe_rate_limited_total{endpoint-rate}"] == 1
        assert found["meterline_stripe_rate_limited_total{global-rate}"] == 0
        for _ in range(FAILURES_MAX):
            limits.note_failure()
        assert samples()["meterline_stripe_up{}"] == 0


def fail() -> int:
    raise ValueError("no")


def test_what_is_away_is_left_out(own_database: None) -> None:
    with environment(REDIS_URL=DEAD_BROKER):
        found = samples()
        assert (found["meterline_broker_up{}"], found["meterline_database_up{}"]) == (0, 1)
        assert not any(name.startswith("meterline_queue") for name in found)
    with environment(DATABASE_URL=DEAD_DATABASE):
        found = samples()
        assert (found["meterline_broker_up{}"], found["meterline_database_up{}"]) == (1, 0)
        assert not any("job" in name for name in found)


async def test_without_a_token_everybody_reads_in_development_and_nobody_in_production(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
    with environment(METERLINE_ENV="production", SECRET_KEY=GOOD_KEY):
        answer = await client.get("/metrics")
    assert (answer.status_code, answer.json()["name"]) == (404, "RouteNotFoundError")


@pytest.mark.parametrize("wrong", [None, "", "Bearer", f"Bearer {TOKEN}x", TOKEN, f"Bearer {TOKEN[:-1]}", "Bearer ü"])
async def test_with_a_token_only_its_bearer_reads(client: httpx.AsyncClient, wrong: str | None) -> None:
    with environment(METERLINE_ENV="production", SECRET_KEY=GOOD_KEY, METRICS_TOKEN=TOKEN):
        headers = {} if wrong is None else {"Authorization": wrong.encode()}
        refused = await client.get("/metrics", headers=headers)
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (refused.status_code, refused.json()["code"]) == (401, "UNAUTHENTICATED")
    assert "www-authenticate" in refused.headers
    assert answer.status_code == 200


async def test_many_scrapes_are_one_look_and_product_calls_need_none_of_its_threads(client: httpx.AsyncClient) -> None:
    looks, may_end = [], threading.Event()

    def slow() -> bytes:
        looks.append(threading.current_thread())
        may_end.wait(20)
        return b"page"

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(metrics, "_exposition", KeptAnswer(slow, seconds=5, run=in_monitor_thread))
        scrapes = [asyncio.create_task(client.get("/metrics")) for _ in range(30)]
        await until(lambda: bool(looks))
        # All the threads that calls of the product have are free.
        size = 10
        barrier = threading.Barrier(size)
        await asyncio.gather(*(in_thread(barrier.wait, 10) for _ in range(size)))
        may_end.set()
        assert {(await scrape).content for scrape in scrapes} == {b"page"}
    assert len(looks) == 1
