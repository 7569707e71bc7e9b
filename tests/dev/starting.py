"""What the tests of the embedded servers share: starters in other processes, and a look at what is left running."""

import shutil
import site
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from app.dev.children import Account, can_reach
from app.dev.server import EmbeddedServer

CHECKOUT = Path(__file__).resolve().parents[2]
_PATIENCE_SECONDS = 20.0


class Starter:
    """A process that starts a server (see `tests.dev.starter`); leave the block to stop it in good order."""

    def __init__(self, kind: type[EmbeddedServer], home: Path, *, account: Account | None = None) -> None:
        self._process = subprocess.Popen(
            [_python_for(account), "-m", "tests.dev.starter", f"{kind.__module__}:{kind.__name__}", str(home)],
            cwd=CHECKOUT,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{CHECKOUT}:{site.getsitepackages()[0]}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )

    def answer(self) -> tuple[str, str]:
        """The URL, and `owns` or `joined`; waits until the server is started."""
        assert self._process.stdout is not None
        url, role = self._process.stdout.readline().split()
        return url, role

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.communicate()
            assert self._process.returncode == 0


def _python_for(account: Account | None) -> str:
    """This Python, or the same version elsewhere if the account has no way to it (root's may be in a private directory)."""
    if can_reach(account, Path(sys.executable)):
        return sys.executable
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    elsewhere = shutil.which(version, path="/usr/local/bin:/usr/bin")
    if elsewhere is None or not can_reach(account, CHECKOUT):
        pytest.skip(f"no {version} and checkout that user {account} can reach")
    return elsewhere


def wait_until(is_so: Callable[[], bool], *, seconds: float = _PATIENCE_SECONDS) -> None:
    """For what the kernel does in its own time, such as ending the orphans of a killed process."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether the process lives; a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
