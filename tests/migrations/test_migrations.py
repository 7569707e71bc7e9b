"""The way to the newest schema and back, and what every table has in common."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from sqlalchemy import Connection, create_engine
from sqlmodel import SQLModel

from app import migrating

# Known without a tenant: the table of tenants itself, API keys, by which the tenant is found, and jobs, which all share. And
# what Stripe tells us of its account: whose an object is, is known once it was fetched.
NOT_BY_TENANT = {
    "pk_tenants",
    "uq_tenants_public_id",
    "uq_api_keys_digest",
    "pk_job_runs",
    "pk_job_turns",
    "pk_stripe_inbox",
    "pk_stripe_objects",
    "pk_stripe_cursors",
    "pk_stripe_checks",
}
STRIPE_INDEXES = {"ix_stripe_inbox_next_attempt_at", "ix_stripe_inbox_subscription_id", "ix_stripe_inbox_handled_at"}


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def names(url: str, query: str) -> set[str]:
    with connected(url) as connection:
        return set(connection.exec_driver_sql(query).scalars())


def tables(url: str) -> set[str]:
    """Without the ledger's partitions, which come and go with the months."""
    return names(
        url,
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
        "AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)",
    )


def types(url: str) -> set[str]:
    """All types of ours, those that tables bring along included."""
    return names(
        url,
        "SELECT typname FROM pg_type JOIN pg_namespace n ON n.oid = typnamespace "
        "WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')",
    )


def partitions(url: str) -> set[str]:
    return names(url, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relispartition")


def revision(url: str) -> str | None:
    with connected(url) as connection:
        return migrating.current_revision(connection)


def test_models_and_database_agree(database_url: str) -> None:
    command.check(migrating.alembic_config(database_url))


def test_up_down_and_up_again_leaves_nothing_in_between(empty_url: str) -> None:
    assert (revision(empty_url), tables(empty_url)) == (None, set())

    migrating.upgrade(empty_url)
    assert revision(empty_url) == migrating.newest_revision()
    assert tables(empty_url) == {*SQLModel.metadata.tables, "alembic_version"}

    migrating.downgrade(empty_url, "base")
    assert revision(empty_url) is None
    assert tables(empty_url) == {"alembic_version"}
    assert types(empty_url) == {"alembic_version", "_alembic_version"}

    migrating.upgrade(empty_url)
    assert tables(empty_url) == {*SQLModel.metadata.tables, "alembic_version"}
    command.check(migrating.alembic_config(empty_url))


def test_a_second_upgrade_does_nothing(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO tenants (public_id, name, enforcement, created_at) VALUES ('t', 't', 'REFUSE', now())"
        )
    before = (tables(database_url), types(database_url), revision(database_url))
    migrating.upgrade(database_url)
    assert (tables(database_url), types(database_url), revision(database_url)) == before
    assert names(database_url, "SELECT public_id FROM tenants") == {"t"}


def test_two_releases_at_once_take_turns_and_both_succeed(empty_url: str) -> None:
    with psycopg.connect(empty_url) as connection:
        # Both are surely waiting when the lock is let go.
        connection.execute("SELECT pg_advisory_lock(hashtext('meterline.migrations'))")
        releases = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    "import sys; from app import migrating; migrating.upgrade(sys.argv[1])",
                    empty_url,
                ],
                cwd=Path(__file__).resolve().parents[2],
                stderr=subprocess.PIPE,
            )
            for _ in range(2)
        ]
        while waiting(connection) < len(releases):
            assert all(release.poll() is None for release in releases)
        connection.execute("SELECT pg_advisory_unlock(hashtext('meterline.migrations'))")
    for release in releases:
        _, complaints = release.communicate(timeout=60)
        assert (release.returncode, complaints) == (0, b"")
    assert revision(empty_url) == migrating.newest_revision()


def waiting(connection: psycopg.Connection) -> int:
    """How many sessions wait for an advisory lock in this database."""
    row = connection.execute(
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database AND datname = current_database() "
        "WHERE locktype = 'advisory' AND NOT granted"
    ).fetchone()
    return row[0] if row else 0


def test_the_newest_revision_is_the_one_without_a_successor(database_url: str) -> None:
    newest = migrating.newest_revision()
    assert newest is not None
    assert revision(database_url) == newest


def test_every_key_begins_with_the_tenant(database_url: str) -> None:
    with connected(database_url) as connection:
        keys = connection.exec_driver_sql(
            "SELECT conname, (SELECT attname FROM pg_attribute WHERE attrelid = conrelid AND attnum = conkey[1]), contype::text "
            "FROM pg_constraint JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE nspname = 'public' AND contype IN ('p', 'u', 'f') AND relname <> 'alembic_version'"
        ).all()
        indexes = connection.exec_driver_sql(
            "SELECT c.relname, (SELECT attname FROM pg_attribute WHERE attrelid = indrelid AND attnum = indkey[0]) "
            "FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_class t ON t.oid = indrelid "
            "JOIN pg_namespace n ON n.oid = t.relnamespace WHERE nspname = 'public' AND t.relname <> 'alembic_version'"
        ).all()
    assert {contype for _, _, contype in keys} == {"p", "u", "f"}
    assert {name for name, column, _ in keys if column != "tenant_id"} == NOT_BY_TENANT
    assert {name for name, column in indexes if column != "tenant_id"} == NOT_BY_TENANT | STRIPE_INDEXES


def test_every_foreign_key_stays_within_the_tenant(database_url: str) -> None:
    with connected(database_url) as connection:
        targets = connection.exec_driver_sql(
            "SELECT conname, confrelid::regclass::text, "
            "(SELECT attname FROM pg_attribute WHERE attrelid = confrelid AND attnum = confkey[1]) "
            "FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
        ).all()
    assert targets
    for name, table, column in targets:
        assert column == ("id" if table == "tenants" else "tenant_id"), name


def test_every_foreign_key_has_an_index_for_its_deletes(database_url: str) -> None:
    """Without one, deleting a package would read a whole table under a lock. Counters of a feature: see `models.usage`."""
    with connected(database_url) as connection:
        missing = connection.exec_driver_sql(
            "SELECT conname FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace "
            "AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = conrelid "
            "AND (indkey::int2[])[0:cardinality(conkey) - 1] @> conkey)"
        ).scalars()
        assert set(missing) == {"fk_consumptions_tenant_id_feature_key_features"}
