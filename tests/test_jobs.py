"""The catalogue, and the broker: its URL as an operator says it and as Celery wants it, and what it holds."""

import re
import time

import pytest
from redis import Redis

from app.jobs import CHECK_BOOKS_OF, JOBS, PRUNE, RESET_DUE, Queue, make_celery, messages, workers_answering
from app.jobs.celery_app import redis_py_url
from tests.dev.starting import CHECKOUT
from tests.environment import DEAD_BROKER, environment


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://cache.test:6379/1", "redis://cache.test:6379/1"),
        ("unix:///run/valkey.sock?db=2", "redis+socket:///run/valkey.sock?virtual_host=2"),
        ("rediss://:secret@cache.test:6380", "rediss://:secret@cache.test:6380?ssl_cert_reqs=required"),
        ("rediss://cache.test/0?ssl_cert_reqs=optional", "rediss://cache.test/0?ssl_cert_reqs=optional"),
    ],
)
def test_broker_and_results_are_at_the_redis_url(product: str, url: str, broker: str) -> None:
    with environment(REDIS_URL=url):
        celery = make_celery()
        assert celery.conf.broker_url == broker
        assert (
            celery.backend is not None
        )  # made when it is first asked for, and it refuses TLS without a word on certificates


@pytest.mark.parametrize(
    ("url", "as_redis_py_says"),
    [
        ("unix:///run/valkey.sock?db=2", "unix:///run/valkey.sock?db=2"),
        ("rediss://:secret@cache.test:6380", "rediss://:secret@cache.test:6380?ssl_cert_reqs=required"),
        ("rediss://cache.test/0?ssl_cert_reqs=none", "rediss://cache.test/0?ssl_cert_reqs=none"),
    ],
)
def test_redis_itself_is_asked_at_the_same_url(product: str, url: str, as_redis_py_says: str) -> None:
    with environment(REDIS_URL=url):
        assert redis_py_url() == as_redis_py_says
        Redis.from_url(redis_py_url()).close()  # it does not connect yet, and refuses what it cannot read


def test_a_certificate_that_signs_itself_is_accepted_when_the_operator_says_so(product: str) -> None:
    with environment(REDIS_URL="rediss://cache.test", REDIS_VERIFY_CERTIFICATE="false"):
        assert make_celery().conf.broker_url == "rediss://cache.test?ssl_cert_reqs=none"


def test_each_job_has_a_name_a_line_for_operators_and_a_setting_of_its_own() -> None:
    names = [job.name for job in JOBS]
    assert len(set(names)) == len(names)
    assert all(len(job.about) > 10 for job in JOBS)
    settings_of = [job.schedule for job in JOBS if job.schedule]
    assert len(set(settings_of)) == len(settings_of)
    with environment(METERLINE_ENV="development"):
        assert {job.schedule for job in JOBS if job.period_seconds} == set(settings_of)


def test_the_page_for_operators_has_a_line_for_each_job_on_schedule() -> None:
    page = (CHECKOUT / "docs" / "operations.md").read_text()
    listed = re.findall(r"^\| `(\w+\.\w+)` \|", page, flags=re.MULTILINE)
    assert listed == [job.name for job in JOBS if job.schedule]
    assert all(job.name in page for job in JOBS)


def test_a_job_goes_by_its_setting_and_0_switches_it_off() -> None:
    with environment(METERLINE_ENV="development", SCHEDULE_USAGE_RESET_DUE="7.5", SCHEDULE_MAINTENANCE_PRUNE="0"):
        assert (RESET_DUE.period_seconds, PRUNE.period_seconds, CHECK_BOOKS_OF.period_seconds) == (7.5, None, None)


def test_a_job_waits_in_the_queue_of_its_kind_and_workers_take_from_all(product: str) -> None:
    celery = make_celery()
    assert celery.conf.task_routes == {job.name: {"queue": job.queue.value} for job in JOBS}
    assert set(celery.amqp.queues) == {queue.value for queue in Queue}


def test_without_a_broker_what_it_holds_is_unknown_and_no_worker_answers_within_seconds() -> None:
    with environment(METERLINE_ENV="development", REDIS_URL=DEAD_BROKER):
        began = time.monotonic()
        assert messages() is None
        assert workers_answering(0.1) == []
        assert time.monotonic() - began < 5
