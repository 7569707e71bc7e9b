"""Logs: a constant event name, facts as fields; JSON lines in production, readable lines in development.

No key, token, name, email or metadata is ever a field. Ids of the caller's objects are. A fault is told as `app.faults` does.
"""

import json
import logging
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from app.faults import traceback_of
from app.settings import settings

# Of the request that is being answered; the edge sets it.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class Lines:
    """Where our own lines go: straight to standard error. A record of the standard library for each would cost more than all
    the rest of the line, and every request has one.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def info(self, line: str) -> None:
        # One write, so that the lines of two threads stay whole. Looked up each time: tests put another stream there.
        sys.stderr.write(f"{line}\n")

    debug = warning = error = critical = info


# One list for good: a logger keeps the one that it was made with, and what is changed must reach it all the same.
_processors: list[Processor] = []


def configure() -> None:
    """Send our own logs, and in the same form those of the libraries, to standard error. Below LOG_LEVEL a line costs nothing."""
    level = logging.getLevelNamesMapping()[settings().log_level]
    shared: list[Processor] = [
        _with_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    _processors[:] = [*shared, *_rendering()]
    structlog.configure(
        processors=_processors,
        logger_factory=Lines,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering()],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # It says twice at each look at the database's revision which database it is.
    logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)
    # It tells every call with its query, in which there can be an email.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    # It tells what other people's servers answer, and where they are.
    logging.getLogger("httpcore").setLevel(logging.WARNING)


def _rendering() -> list[Processor]:
    if settings().environment == "development":
        return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=_write_traceback)]
    return [
        structlog.processors.ExceptionRenderer(_traceback),
        structlog.processors.JSONRenderer(serializer=_as_json),
    ]


def _traceback(exc_info: ExcInfo) -> str:
    return traceback_of(exc_info[1])


def _write_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    stream.write("\n" + _traceback(exc_info))


def _with_request_id(_logger: WrappedLogger, _level: str, event: EventDict) -> EventDict:
    if (current := request_id.get()) is not None:
        event.setdefault("request_id", current)
    return event


def _as_json(event: EventDict, default: Callable[[Any], Any]) -> str:
    try:
        return msgspec.json.encode(event, enc_hook=default).decode()
    except (UnicodeEncodeError, OverflowError):
        # Half a surrogate pair, or a number beyond 64 bits: no line is lost for that.
        return json.dumps(event, default=default)
