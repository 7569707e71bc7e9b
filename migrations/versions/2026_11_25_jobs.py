"""What is remembered of jobs: when each was sent and ran last, the rows that one could not do, and how the books were.

Revision: 6c1d5c0b7a04, after 6c1d5c0b7a03
"""

import sqlalchemy as sa
from alembic import op

revision = "6c1d5c0b7a04"
down_revision = "6c1d5c0b7a03"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_runs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("handled", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_job_runs"),
    )
    op.create_table(
        "job_turns",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_job_turns"),
    )
    op.create_table(
        "job_faults",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_job_faults_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_job_faults"),
        sa.UniqueConstraint("tenant_id", "job", "row_id", name="uq_job_faults_tenant_id_job_row_id"),
    )
    op.create_index("ix_job_faults_tenant_id_first_at", "job_faults", ["tenant_id", "first_at"])
    op.create_table(
        "books_checks",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("differences", sa.BigInteger(), nullable=False),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_books_checks_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_books_checks"),
    )


def downgrade() -> None:
    op.drop_table("books_checks")
    op.drop_table("job_faults")
    op.drop_table("job_turns")
    op.drop_table("job_runs")
