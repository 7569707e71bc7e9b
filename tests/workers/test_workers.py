"""The worker's side: what is registered, and whether a job comes back."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import jobs
from app.dev.valkey import EmbeddedValkey
from app.settings import environment_with
from tests.environment import DEAD_BROKER, environment

CHECKOUT = Path(__file__).resolve().parents[2]
# Celery's application is made when its module is imported, so it gets a process of its own.
_DESCRIBE = """
import json
from workers.celery_app import celery
celery.loader.import_default_modules()
print(json.dumps(sorted(celery.tasks)))
"""
_WORKER = "celery --app workers.celery_app worker --loglevel WARNING --concurrency 1 --without-mingle --without-gossip"


def registered() -> list[str]:
    """The tasks that a worker has."""
    seen = subprocess.run(
        [sys.executable, "-c", _DESCRIBE],
        cwd=CHECKOUT,
        env=environment_with(METERLINE_ENV="development", REDIS_URL=DEAD_BROKER),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = json.loads(seen.stdout)
    return found


def test_every_job_that_may_be_sent_is_a_registered_task() -> None:
    tasks = registered()
    assert jobs.JOBS
    assert {job.name for job in jobs.JOBS} <= set(tasks)
    # And none is registered that nobody may send.
    assert {name for name in tasks if not name.startswith("celery.")} == {job.name for job in jobs.JOBS}


def test_without_a_worker_the_answer_is_no_within_the_timeout(valkey: EmbeddedValkey) -> None:
    with environment(METERLINE_ENV="development", REDIS_URL=valkey.url_of(7)):
        assert jobs.broker_answers() is True
        began = time.monotonic()
        assert jobs.worker_answers(timeout_seconds=0.5) is False
        assert time.monotonic() - began < 2.5


def test_without_a_broker_the_answer_is_no_quickly_each_time() -> None:
    with environment(METERLINE_ENV="development", REDIS_URL=DEAD_BROKER):
        for _ in range(2):
            began = time.monotonic()
            assert jobs.broker_answers() is False
            assert jobs.worker_answers(timeout_seconds=3) is False
            assert time.monotonic() - began < 6


@contextmanager
def worker(redis_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker, ended in good order."""
    process = subprocess.Popen(
        [sys.executable, "-m", *_WORKER.split()],
        cwd=CHECKOUT,
        env=environment_with(METERLINE_ENV="development", REDIS_URL=redis_url, PYTHONWARNINGS="ignore"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def comes_to_answer(within_seconds: float) -> bool:
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if jobs.worker_answers(timeout_seconds=1):
            return True
    return False


@pytest.mark.processes
def test_a_worker_answers_and_does_so_again_after_the_broker_was_away(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as broker:
        url = broker.url
        with environment(METERLINE_ENV="development", REDIS_URL=url), worker(url) as process:
            assert comes_to_answer(within_seconds=40)

            broker.stop()
            began = time.monotonic()
            assert jobs.worker_answers(timeout_seconds=3) is False
            assert jobs.broker_answers() is False
            assert time.monotonic() - began < 8

            assert broker.start() == url
            assert comes_to_answer(within_seconds=60)
            assert process.poll() is None
