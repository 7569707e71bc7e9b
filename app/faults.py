"""How a fault is told to operators, in logs and in tables: without what rows hold.

Postgres says in DETAIL and CONTEXT which values were in the way, and quotes in its messages what it could not read. Those can
be names, addresses and metadata of our users' users.
"""

import traceback
from collections.abc import Iterator
from textwrap import indent
from types import TracebackType

from psycopg import Error as PostgresError
from sqlalchemy.exc import StatementError

TEXT_MAX = 500

# Of these classes of SQLSTATE (a constraint is violated; a statement is wrong) the messages quote names of the schema and parts
# of statements, which are ours. All others may quote a value.
_QUOTING_NAMES = ("23", "42")
_CAUSED = "\n\nThe above exception was the direct cause of the following exception:\n\n"
_MEANWHILE = "\n\nDuring handling of the above exception, another exception occurred:\n\n"


def in_words(error: BaseException) -> str:
    """The type and what may be told of the text, in 500 characters or so."""
    return f"{type(error).__name__}: {_text(error)}"[:TEXT_MAX]


def traceback_of(error: BaseException) -> str:
    """As Python prints it, with what led to it; each error in words."""
    return "".join(_lines(error, set())).rstrip("\n")


def _text(error: BaseException) -> str:
    if isinstance(error, PostgresError):
        return _text_of_postgres(error)
    if isinstance(error, StatementError) and error.orig is not None:
        # Its own text repeats the statement, and what the original says with all details.
        return in_words(error.orig)
    return str(error)


def _text_of_postgres(error: PostgresError) -> str:
    state, told = error.sqlstate or "", error.diag
    message = told.message_primary or str(error)
    if not state.startswith(_QUOTING_NAMES):
        message = _without_quoted(message)
    names = {"constraint": told.constraint_name, "table": told.table_name, "column": told.column_name}
    facts = [f"sqlstate {state}" if state else "", *(f"{kind} {name}" for kind, name in names.items() if name)]
    shown = ", ".join(filter(None, facts))
    return f"{message} ({shown})" if shown else message


def _without_quoted(message: str) -> str:
    """From the first quotation mark to the last: what is between may have some of its own."""
    for mark in ('"', "'"):
        first, last = message.find(mark), message.rfind(mark)
        if first < last:
            message = f"{message[:first]}{mark}…{mark}{message[last + 1 :]}"
    return message


def _lines(error: BaseException, told: set[int]) -> Iterator[str]:
    told.add(id(error))
    cause, context = error.__cause__, None if error.__suppress_context__ else error.__context__
    before, joint = (cause, _CAUSED) if cause is not None else (context, _MEANWHILE)
    if before is not None and id(before) not in told:
        yield from _lines(before, told)
        yield joint
    yield from _own_lines(error, error.__traceback__)
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            if id(one) not in told:
                yield "\n" + indent("".join(_lines(one, told)), "  | ")


def _own_lines(error: BaseException, where: TracebackType | None) -> Iterator[str]:
    if where is not None:
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(where)
    yield in_words(error)
