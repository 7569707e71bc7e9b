"""Homes for `make dev`, and one that runs for all tests that only ask."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.making import MakeDev


@contextmanager
def new_home() -> Iterator[Path]:
    """Where root's Postgres account can get in."""
    with tempfile.TemporaryDirectory(prefix="meterline-e2e-", ignore_cleanup_errors=True) as path:
        Path(path).chmod(0o711)
        home = Path(path) / "home"
        home.mkdir(mode=0o711)
        yield home


@pytest.fixture
def dev_home() -> Iterator[Path]:
    with new_home() as home:
        yield home


@pytest.fixture(scope="package")
def make_dev() -> Iterator[MakeDev]:
    """A `make dev` that is ready. It ends as people end it, and that has to leave nothing behind."""
    with new_home() as home:
        running = MakeDev("make dev", home)
        try:
            running.wait_until_ready()
            yield running
        finally:
            running.press_ctrl_c()
        assert running.left_running() == []
        assert not running.environment_file.exists()
