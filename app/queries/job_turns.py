"""Whose turn it is: which jobs are to be sent now, and by whom."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from app.models import JobTurn

_NEW = "INSERT INTO job_turns (name) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING"

# The conditions are looked at again once a row's lock is had, so of two at once one has it. `clock_timestamp()`, because `now()`
# is when the transaction began, which may be before the other one's turn.
_TAKE = """
UPDATE job_turns t SET taken_until = clock_timestamp() + make_interval(secs => %s)
FROM (
  SELECT t.name
  FROM unnest(%s::text[], %s::float8[]) AS a(name, period_seconds)
  JOIN job_turns t ON t.name = a.name
  WHERE (t.sent_at IS NULL OR t.sent_at + make_interval(secs => a.period_seconds) <= clock_timestamp())
    AND (t.taken_until IS NULL OR t.taken_until <= clock_timestamp())
  ORDER BY t.name
  FOR UPDATE OF t SKIP LOCKED
) due
WHERE t.name = due.name
RETURNING t.name
"""
_SENT = "UPDATE job_turns SET sent_at = clock_timestamp(), taken_until = NULL WHERE name = %s"
_BACK = "UPDATE job_turns SET taken_until = NULL WHERE name = ANY(%s::text[])"


def take_due(session: Session, periods: Sequence[tuple[str, float]], keep_seconds: float) -> set[str]:
    """Of these (name, seconds between two turns), those whose turn it is. The caller has them for so long. Two statements."""
    names = [name for name, _ in periods]
    connection = session.connection()
    connection.exec_driver_sql(_NEW, (names,))
    taken = connection.exec_driver_sql(_TAKE, (keep_seconds, names, [seconds for _, seconds in periods]))
    return set(taken.scalars())


def note_sent(session: Session, name: str) -> None:
    session.connection().exec_driver_sql(_SENT, (name,))


def give_back(session: Session, names: Sequence[str]) -> None:
    """They were not sent."""
    session.connection().exec_driver_sql(_BACK, (list(names),))


def turns(session: Session) -> Sequence[JobTurn]:
    return session.exec(select(JobTurn).order_by(col(JobTurn.name))).all()
