"""Whose turn it is to be sent: what beat asks, so that any number of beats together send each job once a period."""

from collections.abc import Sequence

from app.db import transaction
from app.jobs import JOBS, Job
from app.queries import job_turns as turns

# Longer than sending takes when the broker is away.
KEEP_SECONDS = 10.0


def take_due(jobs: Sequence[Job] = JOBS) -> list[Job]:
    """The jobs that are to be sent now, in the order of the catalogue; nobody else gets them for 10 s.

    One that was never sent is due at once. Follow each with `note_sent` or `give_back`: one that the caller dies with is due
    again after those 10 s.

    Raises:
        OverloadedError: the database is busy or away.
    """
    periods = [(job.name, job.period_seconds) for job in jobs if job.period_seconds]
    with transaction() as session:
        due = turns.take_due(session, periods, KEEP_SECONDS)
    return [job for job in jobs if job.name in due]


def note_sent(job: Job) -> None:
    """Its next turn is a period from now. Raises OverloadedError."""
    with transaction() as session:
        turns.note_sent(session, job.name)


def give_back(jobs: Sequence[Job]) -> None:
    """They could not be sent, and are due again at once. Raises OverloadedError."""
    with transaction() as session:
        turns.give_back(session, [job.name for job in jobs])
