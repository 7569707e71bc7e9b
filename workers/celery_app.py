"""The Celery application: `celery --app workers.celery_app worker` (for beat see `workers.beat`)."""

import logging
from typing import Any

from celery.signals import setup_logging, worker_process_init, worker_process_shutdown

from app import logs
from app.db import forget_engines
from app.gateways.stripe import forget_gateway
from app.jobs import forget_connections, make_celery, wait_until_sent

celery = make_celery()
celery.conf.update(
    imports=[
        f"workers.tasks.{topic}"
        for topic in ("billing", "maintenance", "overage", "stripe", "subscriptions", "usage", "webhooks")
    ],
    # A job is acknowledged when it is done, and delivered again if its process dies: every task may run twice.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # Whoever has a job in hand takes no second one, which would wait behind it while another worker is idle.
    worker_prefetch_multiplier=1,
    # The first lets a job end in good order, with its failure noted; the second ends its process. Both are shorter than the
    # visibility timeout in app/jobs/celery_app.py, or a long job would be delivered again while it runs.
    task_soft_time_limit=500,
    task_time_limit=540,
    # A broker that is away, at the start or later, is waited for, however long it takes.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # Jobs in hand when the broker goes can not be acknowledged any more and will be delivered again, so they are stopped.
    worker_cancel_long_running_tasks_on_connection_loss=True,
    # On SIGTERM jobs have this long to be done; then they are given back at once, and not after the visibility timeout.
    # Heroku gives 30 s in all. `REMAP_SIGTERM` in the Procfile is part of this: Heroku signals the pool's processes too, which
    # would die of it at once.
    worker_soft_shutdown_timeout=10,
)


@worker_process_init.connect
def _after_fork(**_: Any) -> None:
    """A child must not share its parent's connections. The thread that sends jobs is made anew by whoever first needs it."""
    forget_engines()
    forget_connections()
    forget_gateway()


@worker_process_shutdown.connect
def _before_the_end(**_: Any) -> None:
    """A child of the pool ends without what Python does at exit."""
    wait_until_sent()


@setup_logging.connect
def _our_logs(**_: Any) -> None:
    """Connecting this keeps Celery from setting up logs of its own."""
    logs.configure()
    logging.getLogger("celery.app.trace").addFilter(_tell_once)


def _tell_once(record: logging.LogRecord) -> bool:
    """Celery repeats an error's whole text in the message and, with a traceback, in a field. Our logs tell it from `exc_info`,
    without what rows hold.
    """
    if record.exc_info:
        record.msg = "Task %(name)s[%(id)s] %(description)s"
        record.__dict__.pop("data", None)
    return True
