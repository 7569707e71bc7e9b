"""A home of its own for each test, short-lived, where root's Postgres account can get in."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="meterline-home-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)
