"""Whether broker and workers answer, as seen from another process."""

import secrets
import time

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from app.jobs.catalogue import HEARTBEAT
from app.jobs.celery_app import results, sender

_POLL_SECONDS = 0.05


def worker_answers(timeout_seconds: float) -> bool:
    """Whether a job sent now comes back from a worker in time: web, broker, worker and results, the whole way.

    Blocks for up to `timeout_seconds`, and about one second more when the broker is away.
    """
    nonce = secrets.token_hex(8)
    deadline = time.monotonic() + timeout_seconds
    try:
        sent = sender().send_task(HEARTBEAT.name, args=[nonce], ignore_result=False, expires=timeout_seconds)
        # Celery's own waiting subscribes to the results, and gives up for good, with a RuntimeError, once the broker was away.
        while results().get_task_meta(sent.id)["result"] != nonce:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
    except (OperationalError, RedisError, OSError):
        return False
    return True


def broker_answers() -> bool:
    """Whether the broker can be reached now. Blocks for a second or two at most."""
    try:
        with sender().connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
    except (OperationalError, RedisError, OSError):
        return False
    return True
