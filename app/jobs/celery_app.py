"""The Celery application: where the broker is, and how messages look."""

from functools import cache
from urllib.parse import urlsplit

from celery import Celery
from celery.backends.base import Backend

from app.jobs.catalogue import JOBS, Queue
from app.settings import settings

# A broker that is away must cost a caller a second or two: without these limits a plain `.delay()` blocks without end.
_TRANSPORT_OPTIONS = {
    "max_retries": 3,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.5,
    "socket_connect_timeout": 2,
    # A server that does not answer at all, as behind a cut cable. Longer than the second for which a worker waits for messages.
    "socket_timeout": 10,
    # Longer than the longest job (`task_time_limit` in workers/celery_app.py): a message that is not acknowledged by then is
    # taken for lost and delivered again.
    "visibility_timeout": 900,
    # kombu looks for such messages every 100 s by default, which would be added to the timeout.
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
}


def make_celery() -> Celery:
    """The application that those who send and those who work share."""
    redis_url = _celery_url()
    celery = Celery("meterline", broker=redis_url, backend=redis_url)
    celery.conf.update(
        # Anything but JSON could be made to run code by whoever reaches the broker.
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        timezone="UTC",
        # A worker takes from all queues, unless its command says which.
        task_default_queue=Queue.DEFAULT.value,
        task_queues={queue.value: {} for queue in Queue},
        task_routes={job.name: {"queue": job.queue.value} for job in JOBS},
        # What a job returns is of use to the one question whether a worker answers, and there for a short time.
        task_ignore_result=True,
        result_expires=600,
        redis_socket_connect_timeout=2,
        broker_transport_options=_TRANSPORT_OPTIONS,
        result_backend_transport_options={"retry_policy": {"max_retries": 1, "interval_start": 0}},
    )
    return celery


@cache
def sender() -> Celery:
    """The application with which this process sends. It waits for no results: see `worker_answers`."""
    celery = make_celery()
    celery.conf.result_backend = "disabled://"
    return celery


@cache
def results() -> Backend:
    """Where workers leave what a job returned; for every thread of this process."""
    celery = make_celery()
    celery.conf.result_backend_thread_safe = True
    return celery.backend


def forget_connections() -> None:
    """After a fork: what this process has of its parent's connections to the broker is not to be used."""
    sender.cache_clear()
    results.cache_clear()


def redis_py_url() -> str:
    """REDIS_URL as redis-py spells it: TLS must say what to verify."""
    url = settings().redis_url
    parts = urlsplit(url)
    if parts.scheme == "rediss" and "ssl_cert_reqs" not in parts.query:
        verify = "required" if settings().redis_verify_certificate else "none"
        return f"{url}{'&' if parts.query else '?'}ssl_cert_reqs={verify}"
    return url


def _celery_url() -> str:
    """As Celery does: `unix:///path?db=0` is `redis+socket:///path?virtual_host=0`."""
    url = redis_py_url()
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"redis+socket://{parts.path}?{parts.query.replace('db=', 'virtual_host=')}"
    return url
