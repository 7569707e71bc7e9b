"""Whether broker and workers answer, and what waits, as seen from another process."""

import secrets
import time
from dataclasses import dataclass

from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from app.jobs.catalogue import HEARTBEAT, Queue
from app.jobs.celery_app import redis_py_url, results, sender

_POLL_SECONDS = 0.05
_ASK_SECONDS = 2.0
# Where kombu keeps what workers have taken, until they acknowledge it.
_UNACKNOWLEDGED = "unacked"


@dataclass(frozen=True, slots=True)
class Messages:
    """How many wait in each queue, and how many workers have in hand. Those that have expired are still counted."""

    waiting: dict[Queue, int]
    in_hand: int


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


def messages() -> Messages | None:
    """What is in the broker; None: it cannot be reached. Blocks for two seconds at most for each step."""
    try:
        with (
            Redis.from_url(redis_py_url(), socket_connect_timeout=_ASK_SECONDS, socket_timeout=_ASK_SECONDS) as redis,
            redis.pipeline(transaction=False) as asked,
        ):
            for queue in Queue:
                asked.llen(queue)
            asked.hlen(_UNACKNOWLEDGED)
            *waiting, in_hand = asked.execute()
    except (RedisError, OSError):
        return None
    return Messages(dict(zip(Queue, waiting, strict=True)), in_hand)


def workers_answering(timeout_seconds: float) -> list[str]:
    """The names of the workers that answer in time, busy ones included. Takes the whole time, for more may come."""
    try:
        answers = sender().control.ping(timeout=timeout_seconds)
    except (OperationalError, RedisError, OSError):
        return []
    return sorted(name for answer in answers for name in answer)
