"""Running a job so that operators can see when it ran last, and how it went."""

import time
from collections.abc import Callable

import structlog

from app import clock, jobs
from app.db import transaction
from app.faults import in_words
from app.jobs import Job
from app.queries import job_records as records
from app.services.sweeps import Swept

log = structlog.get_logger(__name__)


def run_noted(job: Job, work: Callable[[], Swept | int]) -> None:
    """Do the work of a job, note when and how much; send the job again at once if there is more to do.

    `work` returns how many things it did. Raises what it raises, after that was noted.
    """
    began = time.monotonic()
    with transaction() as session:
        records.note_start(session, job.name, clock.now())
    try:
        done = work()
    except Exception as error:
        with transaction() as session:
            records.note_failure(session, job.name, clock.now(), in_words(error), time.monotonic() - began)
        raise
    swept = done if isinstance(done, Swept) else Swept(handled=done, set_aside=0, more=False)
    seconds = time.monotonic() - began
    with transaction() as session:
        records.note_success(session, job.name, clock.now(), swept.handled, seconds)
        if swept.more:
            jobs.enqueue(session, job)
    if swept.handled or swept.set_aside:
        log.info(job.name, handled=swept.handled, set_aside=swept.set_aside, seconds=round(seconds, 3), more=swept.more)
