"""Beat: sends each job when its turn comes. `celery --app workers.celery_app beat --scheduler workers.beat:Turns`.

Who may send is decided by rows in Postgres (`services.job_turns`), so a second beat does no harm, a killed one leaves nothing
locked, and a daily job is daily however often beat is restarted. See docs/decisions/0013-jobs.md.
"""

from typing import Any, ClassVar

import structlog
from celery.beat import Scheduler
from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from app.errors import OverloadedError
from app.jobs import JOBS, Job, sender
from app.services import job_turns

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
_AWAY_SECONDS = 2.0


class Turns(Scheduler):  # type: ignore[misc]  # celery has no types
    """Looks once a second; when the database or the broker is away, every two seconds, and sends what has become due then."""

    jobs: ClassVar[tuple[Job, ...]] = JOBS

    def setup_schedule(self) -> None:
        """There is nothing to keep in this process."""

    def tick(self, *_: Any, **__: Any) -> float:
        """Send what is due; returns how many seconds to sleep."""
        try:
            due = job_turns.take_due(self.jobs)
            for number, job in enumerate(due):
                if not self._send(job):
                    job_turns.give_back(due[number:])
                    return _AWAY_SECONDS
                job_turns.note_sent(job)
        except OverloadedError:
            return _AWAY_SECONDS  # `transaction` has logged it
        return min([_LOOK_SECONDS, *(job.period_seconds / 2 for job in self.jobs if job.period_seconds)])

    def _send(self, job: Job) -> bool:
        try:
            # After a period there is another one. So a backlog does not pile up while no worker runs.
            # Not with `self.app`, which waits for results, and gives up for good once the broker was away.
            sender().send_task(job.name, expires=job.period_seconds)
        except (CeleryError, KombuError, RedisError, OSError) as error:
            log.warning("beat.not_sent", job=job.name, error=type(error).__name__)
            return False
        log.info("beat.sent", job=job.name)
        return True
