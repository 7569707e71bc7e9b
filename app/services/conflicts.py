"""A broken constraint, told from a fault: only a unique one means that somebody else was first."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import UniqueViolation
from sqlalchemy.exc import IntegrityError

from app.errors import AlreadyExistsError


@contextmanager
def already_exists(message: str) -> Iterator[None]:
    """Within the block an id that is taken is an AlreadyExistsError with this message. Other broken constraints stay faults."""
    try:
        yield
    except IntegrityError as broken:
        if not isinstance(broken.orig, UniqueViolation):
            raise
        raise AlreadyExistsError(message) from broken
