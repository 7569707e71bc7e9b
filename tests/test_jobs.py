"""The broker's URL, as an operator says it and as Celery wants it."""

import pytest

from app.jobs import make_celery
from tests.environment import environment


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


def test_a_certificate_that_signs_itself_is_accepted_when_the_operator_says_so(product: str) -> None:
    with environment(REDIS_URL="rediss://cache.test", REDIS_VERIFY_CERTIFICATE="false"):
        assert make_celery().conf.broker_url == "rediss://cache.test?ssl_cert_reqs=none"
