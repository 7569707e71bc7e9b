"""Jobs: what everybody else knows of the workers. Names, a broker, and whether somebody answers; the code is in `workers/`."""

from app.jobs.catalogue import (
    CHECK_BOOKS,
    CHECK_BOOKS_OF,
    DELIVER_WEBHOOKS,
    EXPIRE_RESERVATIONS,
    HEARTBEAT,
    JOBS,
    MAKE_LINK,
    MAKE_PARTITIONS,
    MAKE_TEMPLATE,
    PRUNE,
    RESET_DUE,
    SETTLE_SUBSCRIPTIONS,
    SWEEP_LINKS,
    SWEEP_TEMPLATES,
    Job,
    Queue,
)
from app.jobs.celery_app import forget_connections, make_celery, results, sender
from app.jobs.probes import Messages, broker_answers, messages, worker_answers, workers_answering
from app.jobs.sending import enqueue, send, wait_until_sent

__all__ = [
    "CHECK_BOOKS",
    "CHECK_BOOKS_OF",
    "DELIVER_WEBHOOKS",
    "EXPIRE_RESERVATIONS",
    "HEARTBEAT",
    "JOBS",
    "MAKE_LINK",
    "MAKE_PARTITIONS",
    "MAKE_TEMPLATE",
    "PRUNE",
    "RESET_DUE",
    "SETTLE_SUBSCRIPTIONS",
    "SWEEP_LINKS",
    "SWEEP_TEMPLATES",
    "Job",
    "Messages",
    "Queue",
    "broker_answers",
    "enqueue",
    "forget_connections",
    "make_celery",
    "messages",
    "results",
    "send",
    "sender",
    "wait_until_sent",
    "worker_answers",
    "workers_answering",
]
