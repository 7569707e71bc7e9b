"""What operators are told of a fault: enough to find it, and nothing that rows hold."""

import logging
import traceback
from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, StatementError

from app.db import engine, transaction
from app.faults import TEXT_MAX, in_words, traceback_of
from tests import test_logs
from tests.test_logs import configured

logging_as_before = test_logs.logging_as_before

ADA = "ada@example.com"
_TABLE = "CREATE TABLE members (email text PRIMARY KEY CONSTRAINT no_root CHECK (email <> 'root'), age int NOT NULL)"
# A function of its own gives the error a CONTEXT.
_JOIN = """
CREATE FUNCTION join_members(who text) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN EXECUTE format('INSERT INTO members VALUES (%L, 7)', who); END $$
"""
_TWICE = (
    'IntegrityError: UniqueViolation: duplicate key value violates unique constraint "members_pkey"'
    " (sqlstate 23505, constraint members_pkey, table members)"
)


@pytest.fixture
def members(product: str) -> Iterator[None]:
    """Ada is one already."""
    with engine().begin() as connection:
        for statement in (_TABLE, _JOIN, f"SELECT join_members('{ADA}')"):
            connection.exec_driver_sql(statement.replace("%", "%%"))
    yield
    with engine().begin() as connection:
        connection.exec_driver_sql("DROP TABLE members; DROP FUNCTION join_members")


def fault(statement: str, **values: object) -> DBAPIError:
    with pytest.raises(DBAPIError) as raised, transaction() as session:
        session.connection().execute(text(statement), values)
    return raised.value


def twice() -> DBAPIError:
    return fault("SELECT join_members(:who)", who=ADA)


def test_a_value_that_is_there_twice_is_not_told(members: None) -> None:
    error = twice()
    assert isinstance(error.orig, psycopg.Error)
    assert f"Key (email)=({ADA}) already exists" in str(error)  # or there would be nothing to leave out
    assert ADA in str(error.orig.diag.context)
    assert in_words(error) == _TWICE
    assert in_words(error.orig) == _TWICE.removeprefix("IntegrityError: ")


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "SELECT CAST(:who AS int)",
            'DataError: InvalidTextRepresentation: invalid input syntax for type integer: "…" (sqlstate 22P02)',
        ),
        (
            "SELECT CAST('it is \"' || :who || '\" then' AS timestamptz)",
            'DataError: InvalidDatetimeFormat: invalid input syntax for type timestamp with time zone: "…" (sqlstate 22007)',
        ),
        (
            "SELECT CAST('{' || :who AS jsonb)",
            "DataError: InvalidTextRepresentation: invalid input syntax for type json (sqlstate 22P02)",
        ),
        (
            "INSERT INTO members VALUES (:who || '2', NULL)",
            'IntegrityError: NotNullViolation: null value in column "age" of relation "members" violates not-null constraint'
            " (sqlstate 23502, table members, column age)",
        ),
        (
            "INSERT INTO members SELECT 'root', length(:who)",
            'IntegrityError: CheckViolation: new row for relation "members" violates check constraint "no_root"'
            " (sqlstate 23514, constraint no_root, table members)",
        ),
        (
            "SELECT nothing FROM members WHERE email = :who",
            'ProgrammingError: UndefinedColumn: column "nothing" does not exist (sqlstate 42703)',
        ),
    ],
)
def test_what_could_not_be_done_is_told_without_with_what(members: None, statement: str, told: str) -> None:
    error = fault(statement, who=ADA)
    assert in_words(error) == told
    assert ADA not in traceback_of(error)


def test_a_value_that_never_came_to_the_database_is_not_told(product: str) -> None:
    with (
        pytest.raises(psycopg.ProgrammingError) as raised,
        psycopg.connect(product.replace("+psycopg", "")) as connection,
    ):
        connection.execute("SELECT %(who)s", {ADA: 1})
    assert in_words(raised.value) == "ProgrammingError: query parameter missing: who"
    assert in_words(psycopg.DataError(f"cannot read '{ADA}' as 'int'")) == "DataError: cannot read '…'"


def test_a_statement_that_could_not_be_made_is_told_by_its_cause_alone() -> None:
    error = StatementError("bad", f"SELECT '{ADA}'", {"who": ADA}, TypeError("no number"))
    assert ADA in str(error)
    assert in_words(error) == "StatementError: TypeError: no number"


def test_any_other_text_is_cut() -> None:
    assert in_words(ValueError("x" * 1000)) == "ValueError: " + "x" * (TEXT_MAX - len("ValueError: "))
    assert len(traceback_of(ValueError("x" * 100_000))) == TEXT_MAX


def led_to(error: Exception) -> Exception:
    """A fault of ours for which the database was to blame."""
    try:
        try:
            raise error
        except DBAPIError as cause:
            raise LookupError("nobody") from cause
    except LookupError as fault:
        return fault


def test_no_line_of_the_log_has_the_value_whoever_writes_it(members: None, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("production", "development"):
        log = configured("INFO", name)
        log.error("shop.failed", exc_info=led_to(twice()))
        logging.getLogger("some.library").error("it failed", exc_info=led_to(twice()))
        logging.getLogger("some.library").error("alone", exc_info=twice())
        written = capsys.readouterr().err
        assert ADA not in written
        # Each time the driver's error and SQLAlchemy's.
        assert written.count("UniqueViolation: duplicate key value") == 6
        assert written.count("LookupError: nobody") == 2


def test_a_traceback_is_pythons_own_where_there_is_nothing_to_hide() -> None:
    def fail(first: Callable[[], None] | None) -> None:
        try:
            (first or (lambda: 1 / 0))()
        except ZeroDivisionError:
            raise ValueError("never") from None
        except ValueError as error:
            raise KeyError("key") from error
        except KeyError:
            raise OSError("meanwhile")  # noqa: B904 — the context is what is told

    for depth in (
        lambda: fail(None),
        lambda: fail(lambda: fail(None)),
        lambda: fail(lambda: fail(lambda: fail(None))),
    ):
        with pytest.raises((ValueError, KeyError, OSError)) as raised:
            depth()
        printed = "".join(traceback.format_exception(raised.value)).rstrip("\n")
        assert traceback_of(raised.value) == printed


def test_each_error_of_a_group_is_told(members: None) -> None:
    told = traceback_of(ExceptionGroup("some", [twice(), ValueError("odd")]))
    assert ADA not in told
    assert "ExceptionGroup: some (2 sub-exceptions)" in told
    assert f"  | {_TWICE}\n" in told
    assert told.endswith("  | ValueError: odd")
