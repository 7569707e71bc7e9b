"""How the jobs are doing: when each was sent and ran last, how it went, and what is wrong with it, for operators."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from app import clock
from app.db import Pool, transaction
from app.jobs import JOBS, Job
from app.models import JobRun, JobTurn
from app.queries import job_records, job_turns
from app.settings import settings

# A job may wait for another one, and a worker for its start.
_SLACK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class JobState:
    """`problem` says what is wrong, in words; None: nothing. Without a period it is switched off, or sent when there is cause."""

    name: str
    queue: str
    about: str
    setting: str | None
    period_seconds: float | None
    sent_at: datetime | None
    started_at: datetime | None
    succeeded_at: datetime | None
    failed_at: datetime | None
    error: str | None
    handled: int
    seconds: float
    problem: str | None


def list_states() -> list[JobState]:
    """All jobs, in the order of the catalogue. Raises OverloadedError."""
    with transaction(Pool.STATUS) as session:
        return states(session, clock.now())


def states(session: Session, now: datetime) -> list[JobState]:
    """As `list_states`, in the caller's transaction."""
    runs = {run.name: run for run in job_records.runs(session)}
    turns = {turn.name: turn for turn in job_turns.turns(session)}
    return [_state(job, runs.get(job.name), turns.get(job.name), now) for job in JOBS]


def allowed(job: Job) -> timedelta | None:
    """How old its last success, or what waits for it, may be; None: as old as it likes, for the job is not on schedule."""
    if job.period_seconds is None:
        return None
    moved = settings().moved_clock
    return timedelta(seconds=job.period_seconds * 1.5 + _SLACK_SECONDS) * (moved.rate if moved else 1)


def _state(job: Job, run: JobRun | None, turn: JobTurn | None, now: datetime) -> JobState:
    return JobState(
        name=job.name,
        queue=job.queue,
        about=job.about,
        setting=job.schedule.upper() if job.schedule else None,
        period_seconds=job.period_seconds,
        sent_at=turn.sent_at if turn else None,
        started_at=run.started_at if run else None,
        succeeded_at=run.succeeded_at if run else None,
        failed_at=run.failed_at if run else None,
        error=run.error if run else None,
        handled=run.handled if run else 0,
        seconds=run.seconds if run else 0.0,
        problem=_problem(job, run, now),
    )


def _problem(job: Job, run: JobRun | None, now: datetime) -> str | None:
    succeeded = run.succeeded_at if run else None
    if run and run.failed_at and (succeeded is None or run.failed_at > succeeded):
        return f"failed: {run.error}"
    longest = allowed(job)
    if longest is None:
        return None
    if succeeded is None:
        return "has never been done"
    return "is late" if now - succeeded > longest else None
