"""What is remembered of jobs: their last runs, and the rows that were set aside."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from app.models import JobFault, JobRun

_STARTED = """
INSERT INTO job_runs (name, started_at, handled, seconds) VALUES (%s, %s, 0, 0)
ON CONFLICT (name) DO UPDATE SET started_at = excluded.started_at
"""
_SUCCEEDED = "UPDATE job_runs SET succeeded_at = %s, handled = %s, seconds = %s, error = NULL WHERE name = %s"
_FAILED = "UPDATE job_runs SET failed_at = %s, error = %s, seconds = %s WHERE name = %s"

# Each failure doubles the wait, up to a day.
_SET_ASIDE = """
INSERT INTO job_faults (tenant_id, job, row_id, error, attempts, first_at, last_at, retry_at)
VALUES (%(tenant_id)s, %(job)s, %(row_id)s, %(error)s, 1, %(now)s, %(now)s, %(now)s + interval '1 minute')
ON CONFLICT (tenant_id, job, row_id) DO UPDATE SET
  error = excluded.error, attempts = job_faults.attempts + 1, last_at = excluded.last_at,
  retry_at = excluded.last_at + least(interval '1 minute' * 2 ^ least(job_faults.attempts, 20), interval '1 day')
"""
_FORGIVE = "DELETE FROM job_faults WHERE tenant_id = %s AND job = %s AND row_id = ANY(%s::text[])"


def note_start(session: Session, name: str, now: datetime) -> None:
    session.connection().exec_driver_sql(_STARTED, (name, now))


def note_success(session: Session, name: str, now: datetime, handled: int, seconds: float) -> None:
    session.connection().exec_driver_sql(_SUCCEEDED, (now, handled, seconds, name))


def note_failure(session: Session, name: str, now: datetime, error: str, seconds: float) -> None:
    session.connection().exec_driver_sql(_FAILED, (now, error, seconds, name))


def runs(session: Session) -> Sequence[JobRun]:
    return session.exec(select(JobRun).order_by(col(JobRun.name))).all()


def set_aside(session: Session, tenant_id: int, job: str, row_id: str, error: str, now: datetime) -> None:
    """Until its `retry_at` the job leaves this row alone."""
    values = {"tenant_id": tenant_id, "job": job, "row_id": row_id, "error": error, "now": now}
    session.connection().exec_driver_sql(_SET_ASIDE, values)


def faults_of(session: Session, tenant_id: int, job: str) -> Sequence[JobFault]:
    """The rows that the job could not do, those that may be tried again included."""
    return session.exec(select(JobFault).where(JobFault.tenant_id == tenant_id, JobFault.job == job)).all()


def forgive(session: Session, tenant_id: int, job: str, row_ids: Collection[str]) -> None:
    """They were done after all."""
    session.connection().exec_driver_sql(_FORGIVE, (tenant_id, job, list(row_ids)))
