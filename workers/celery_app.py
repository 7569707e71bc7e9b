"""The Celery application: `celery --app workers.celery_app worker` (or `beat`)."""

from typing import Any

from celery.signals import setup_logging, worker_process_init

from app import logs
from app.db import forget_engines
from app.jobs import make_celery
from workers.schedule import beat_schedule

celery = make_celery()
celery.conf.update(
    imports=[f"workers.tasks.{topic}" for topic in ("maintenance", "subscriptions", "usage", "webhooks")],
    beat_schedule=beat_schedule(),
    # A job is acknowledged when it is done, and delivered again if its process dies: every task may run twice.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    # Shorter than the visibility timeout in app/jobs.py, or a long job would be delivered again while it runs.
    task_soft_time_limit=500,
    task_time_limit=540,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_soft_shutdown_timeout=10,
)


@worker_process_init.connect
def _after_fork(**_: Any) -> None:
    """A child must not share its parent's connections."""
    forget_engines()


@setup_logging.connect
def _our_logs(**_: Any) -> None:
    """Connecting this keeps Celery from setting up logs of its own."""
    logs.configure()
