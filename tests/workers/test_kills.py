"""Workers that are killed, brokers that are away: whatever happens, everything is done, and done once."""

import os
import signal
import time

import pytest

from app import jobs
from app.dev.valkey import EmbeddedValkey
from tests.services.shop import Shop, counted
from tests.tenants import Tenant
from tests.workers.counted_rows import BATCH, COUNT_ROWS, write_rows
from tests.workers.stage import Stage, children, kill

pytestmark = pytest.mark.processes

ROWS = 3 * BATCH


def all_done_once(stage: Stage, rows: int = ROWS) -> bool:
    assert stage.ask("SELECT coalesce(max(times), 0) FROM counted_rows") <= 1
    return stage.ask("SELECT count(*) FROM counted_rows WHERE times = 1") == rows


def nothing_done(stage: Stage) -> bool:
    return stage.ask("SELECT count(*) FROM counted_rows WHERE times > 0") == 0


def write(shop: Tenant, first: int = 1, count: int = ROWS) -> None:
    write_rows(shop.actor.tenant_id, first, count)
    assert jobs.wait_until_sent(10)


def test_a_job_whose_process_is_killed_is_done_by_another_once(stage: Stage, shop: Tenant) -> None:
    worker = stage.start("worker")
    with stage.gate_closed() as stands_still:
        write(shop)
        stage.until(stands_still)
        main = worker.pid_of("worker")
        assert main is not None
        (child,) = children(main)
        kill(child)
        # No schedule runs: it is the message that comes back.
        stage.until(lambda: children(main) not in ([child], []) and stands_still())
        assert nothing_done(stage)
    stage.until(lambda: all_done_once(stage))
    assert worker.pid_of("worker") == main


def test_a_job_whose_worker_is_killed_is_done_by_the_next_once(stage: Stage, shop: Tenant) -> None:
    worker = stage.start("worker")
    with stage.gate_closed() as stands_still:
        write(shop)
        stage.until(stands_still)
        killed = worker.pid_of("worker")
        assert killed is not None
        kill(killed)
        stage.until(lambda: worker.pid_of("worker") not in (killed, None) and stands_still())
        assert nothing_done(stage)
    stage.until(lambda: all_done_once(stage))


def test_a_job_under_way_when_a_machine_is_told_to_stop_is_done(stage: Stage, shop: Tenant) -> None:
    """Heroku sends SIGTERM to every process at once, those of the pool included."""
    worker = stage.start("worker")
    rows = BATCH - 1  # the job is done with them, and sends no other
    with stage.gate_closed() as stands_still:
        write(shop, count=rows)
        stage.until(stands_still)
        main = worker.pid_of("worker")
        assert main is not None
        for pid in (main, *children(main)):
            os.kill(pid, signal.SIGTERM)
        stage.until(lambda: "Soft Shutdown" in stage.log.getvalue())
    stage.until(lambda: worker.count_ends("worker") == 1)
    assert all_done_once(stage, rows)
    # It was acknowledged, so the next worker has nothing to do.
    stage.until(lambda: stage.sent() == [] and stage.unacknowledged() == 0)


def test_a_job_that_is_not_done_in_the_time_a_stop_gives_is_done_by_the_next_once(stage: Stage, shop: Tenant) -> None:
    worker = stage.start("worker")
    with stage.gate_closed() as stands_still:
        write(shop)
        stage.until(stands_still)
        main = worker.pid_of("worker")
        assert main is not None
        for pid in (main, *children(main)):
            os.kill(pid, signal.SIGTERM)
        stage.until(lambda: worker.pid_of("worker") not in (main, None) and stands_still())
        assert nothing_done(stage)
    stage.until(lambda: all_done_once(stage))


def test_a_backlog_is_done_after_one_message_by_runs_that_each_send_the_next(stage: Stage, shop: Tenant) -> None:
    stage.start("worker")
    write(shop, count=100 * BATCH)
    stage.until(lambda: all_done_once(stage, 100 * BATCH))
    stage.until(lambda: "more=False" in stage.log.getvalue())
    assert stage.log.getvalue().count("more=True") >= 1


def test_two_workers_share_a_backlog_and_do_each_row_once(stage: Stage, shop: Tenant) -> None:
    stage.start("worker", concurrency=2)
    stage.start("worker", concurrency=2)
    with stage.gate_closed():
        write(shop, count=100 * BATCH)
        jobs.send(COUNT_ROWS)
        jobs.send(jobs.HEARTBEAT)
        for _ in range(3):
            assert jobs.wait_until_sent(10)
            jobs.send(COUNT_ROWS)
        stage.until(lambda: stage.waiting() >= 3)
    stage.until(lambda: all_done_once(stage, 100 * BATCH))
    assert stage.ask("SELECT count(DISTINCT worker) FROM counted_rows") == 2


def test_a_broker_that_is_killed_and_started_again_loses_nothing(
    stage: Stage, shop: Tenant, broker: EmbeddedValkey
) -> None:
    stage.start("worker", "beat", SCHEDULE_MAINTENANCE_HEARTBEAT="1")
    with stage.gate_closed() as stands_still:
        write(shop)
        stage.until(stands_still)
        broker.kill()
        write_rows(shop.actor.tenant_id, ROWS + 1, ROWS)
        assert broker.start() == stage.redis_url
    stage.until(lambda: all_done_once(stage, 2 * ROWS), seconds=40)


def test_what_is_written_while_the_broker_is_away_is_done_when_it_is_back(
    stage: Stage, shop: Tenant, broker: EmbeddedValkey
) -> None:
    used = Shop(shop.actor)
    used.feature()
    used.package("pro", counted(1000))
    used.user()
    stage.start("worker", "beat", SCHEDULE_MAINTENANCE_HEARTBEAT="1")
    stage.until(lambda: stage.ask("SELECT count(*) FROM job_runs WHERE succeeded_at IS NOT NULL") == 2)
    broker.stop()
    began = time.monotonic()
    used.subscribe("pro")
    for n in range(ROWS):
        write_rows(shop.actor.tenant_id, n + 1, 1)
        assert used.record().recorded is True
    assert time.monotonic() - began < 5
    assert used.used() == ROWS
    assert nothing_done(stage)
    assert broker.start() == stage.redis_url
    stage.until(lambda: all_done_once(stage), seconds=40)
