"""How Alembic reaches the database and what it compares. The URL comes from `app.migrating`, never from a file."""

from alembic import context
from sqlalchemy import create_engine, pool
from sqlmodel import SQLModel

import app.models  # noqa: F401 — declares the tables that autogenerate compares

# A migration that cannot have its lock gives up rather than queue every request behind it; run it again.
LOCK_TIMEOUT = "5s"


def is_ours_to_compare(name: str | None, kind: str, _parents: object) -> bool:
    """Partitions come and go with the months; no model declares them."""
    return not (kind == "table" and name is not None and name.startswith("usage_events_"))


def run() -> None:
    engine = create_engine(
        context.config.attributes["database_url"],
        poolclass=pool.NullPool,
        connect_args={
            "options": f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT}",
            "application_name": "meterline-migrate",
        },
    )
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=SQLModel.metadata,
            compare_server_default=True,
            include_name=is_ours_to_compare,
        )
        with context.begin_transaction():
            # Two releases that start at once take turns, however long the first takes; the second finds nothing left to do.
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('meterline.migrations'))")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            context.run_migrations()


run()
