"""What is remembered of jobs: when each was sent and ran last, the rows that one could not do, and how the books were."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.models.columns import generated_key, moment, text_column


class JobRun(SQLModel, table=True):
    """The last time that a job began, ended well and failed, by its name. All tenants share the jobs."""

    __tablename__ = "job_runs"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    started_at: datetime = Field(sa_column=moment())
    succeeded_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    failed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    error: str | None = Field(default=None, sa_column=text_column())
    handled: int = Field(default=0, sa_type=BigInteger)
    seconds: float = 0.0


class JobTurn(SQLModel, table=True):
    """When beat sent a job last. Who is about to send it has it until `taken_until`; if it dies, another may take it then.

    By the database's clock: two beats on two machines have two, and this one decides between them.
    """

    __tablename__ = "job_turns"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    sent_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    taken_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class JobFault(SQLModel, table=True):
    """A row that made its job fail, set aside until `retry_at` so that the others go on. Gone once it is done after all."""

    __tablename__ = "job_faults"
    __table_args__ = (
        UniqueConstraint("tenant_id", "job", "row_id"),
        Index("ix_job_faults_tenant_id_first_at", "tenant_id", "first_at"),
    )

    tenant_id: int = Field(foreign_key="tenants.id", primary_key=True)
    id: int = Field(default=None, sa_column=generated_key())
    job: str = Field(sa_column=text_column(nullable=False))
    row_id: str = Field(sa_column=text_column(nullable=False))
    error: str = Field(sa_column=text_column(nullable=False))
    attempts: int
    first_at: datetime = Field(sa_column=moment())
    last_at: datetime = Field(sa_column=moment())
    retry_at: datetime = Field(sa_column=moment())


class BooksCheck(SQLModel, table=True):
    """What the last check of a tenant's books found. `is_whole`: it came to the end."""

    __tablename__ = "books_checks"

    tenant_id: int = Field(foreign_key="tenants.id", primary_key=True)
    checked_at: datetime = Field(sa_column=moment())
    differences: int = Field(sa_type=BigInteger)
    is_whole: bool
