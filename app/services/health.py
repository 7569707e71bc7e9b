"""Whether this process can do its work: what a load balancer and an operator ask."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app import jobs
from app.db import engine
from app.migrating import current_revision, newest_revision


@dataclass(frozen=True, slots=True)
class Readiness:
    """What answers. `migrations` is false while the database is not at the revision that this code expects."""

    database: bool
    broker: bool
    migrations: bool

    @property
    def ready(self) -> bool:
        return self.database and self.broker and self.migrations


def readiness() -> Readiness:
    """Ask each part now. Takes a few seconds at worst, when one is away."""
    database = migrations = False
    try:
        with engine().connect() as connection:
            database = connection.execute(text("SELECT 1")).scalar_one() == 1
            migrations = current_revision(connection) == newest_revision()
    except SQLAlchemyError:
        pass  # the answer says so
    return Readiness(database=database, broker=jobs.broker_answers(), migrations=migrations)


def worker_answers() -> bool:
    """Whether a worker does a job that is sent now, within 3 seconds."""
    return jobs.worker_answers(timeout_seconds=3)
