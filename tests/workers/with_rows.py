"""The real Celery application with the job of `counted_rows` on top, and shorter times, so that no test waits for minutes:
`celery --app tests.workers.with_rows …`, and beat with `--scheduler tests.workers.with_rows:TurnsWithRows`.
"""

from typing import ClassVar

from celery import shared_task

from app.jobs import JOBS, Job
from tests.workers.counted_rows import COUNT_ROWS, count_rows
from workers.beat import Turns
from workers.celery_app import celery

celery.conf.worker_soft_shutdown_timeout = 2
celery.conf.broker_transport_options = {
    **celery.conf.broker_transport_options,
    "visibility_timeout": 3,
    "unacked_restore_interval": 1,
}
shared_task(count_rows, name=COUNT_ROWS.name)


class TurnsWithRows(Turns):
    jobs: ClassVar[tuple[Job, ...]] = (*JOBS, COUNT_ROWS)
