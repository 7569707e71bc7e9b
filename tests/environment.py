"""The product in this process under another environment, for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app import jobs
from app.db import close_engines
from app.gateways.stripe import forget_gateway
from app.settings import settings

# Nothing listens on this port of this machine: a connection is refused at once.
DEAD_DATABASE = "postgresql://nobody@127.0.0.1:1/nowhere"
DEAD_BROKER = "redis://127.0.0.1:1/0"


@contextmanager
def environment(**values: str | None) -> Iterator[None]:
    """These variables are set (None: unset) until the block ends; what was read and opened before is forgotten, twice."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in values.items():
            patched.delenv(name, raising=False) if value is None else patched.setenv(name, value)
        _forget()
        try:
            yield
        finally:
            _forget()


def _forget() -> None:
    close_engines()
    settings.cache_clear()
    jobs.sender.cache_clear()
    jobs.results.cache_clear()
    forget_gateway()
