"""Bringing a database to the schema of this code, and knowing whether it is there."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, make_url

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration for one database; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    # The date comes first, so that the folder lists the migrations in the order they were made.
    config.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    config.attributes["database_url"] = make_url(database_url)
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrate up to `revision`; nothing happens when the database is already there."""
    command.upgrade(alembic_config(database_url), revision)


def downgrade(database_url: str, revision: str) -> None:
    """Migrate down to `revision` (`base` for an empty database)."""
    command.downgrade(alembic_config(database_url), revision)


def write_migration(database_url: str, subject: str) -> str:
    """Write a migration from what the database has to what the models say, and return its path."""
    script = command.revision(alembic_config(database_url), message=subject, autogenerate=True)
    if not isinstance(script, Script):
        raise TypeError("one migration was asked for, and Alembic wrote several or none")
    return str(script.path)


@cache
def newest_revision() -> str | None:
    """The revision that this code expects."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def current_revision(connection: Connection) -> str | None:
    """The revision that the database is at; None when it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()
