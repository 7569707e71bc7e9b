"""The directory where `make dev` keeps what must outlive it: data, the secret key, and `dev.env` while it runs."""

import fcntl
import os
import re
import secrets
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_NEEDS_NO_QUOTES = re.compile(r"[\w@%+=:,./?-]*")


class HomeInUseError(Exception):
    """Another `make dev` works in this directory."""

    def __init__(self, home: Path, pid: str) -> None:
        super().__init__(
            f"make dev is already running in {home} (process {pid}); choose another METERLINE_HOME, or stop it"
        )


class HomeUnusableError(Exception):
    """The directory cannot be made or written to."""

    def __init__(self, home: Path, problem: OSError) -> None:
        super().__init__(f"{home} cannot be used ({problem.strerror}); choose another METERLINE_HOME")


class Home:
    """One directory, used by one `make dev` at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @property
    def environment_file(self) -> Path:
        """`dev.env`: there while everything answers, and only then (or after `kill -9`, until the next start)."""
        return self.path / "dev.env"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the directory; the kernel lets go of it if we are killed.

        Raises:
            HomeInUseError: another process holds it.
            HomeUnusableError: it cannot be made or written to.
        """
        with self._opened_lock_file() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                raise HomeInUseError(self.path, file.read().strip()) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            self.environment_file.unlink(missing_ok=True)
            yield

    def _opened_lock_file(self) -> TextIO:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            return (self.path / "running.lock").open("a+")
        except OSError as problem:
            raise HomeUnusableError(self.path, problem) from problem

    def secret_key(self) -> str:
        """The SECRET_KEY of this home, made at the first call. User tokens stay valid from one run to the next."""
        kept = self.kept("secret_key") or self.keep("secret_key", secrets.token_hex(32))
        return kept.strip()

    def kept(self, name: str) -> str:
        """What was kept under a name; empty if nothing was."""
        path = self.path / name
        return path.read_text() if path.exists() else ""

    def keep(self, name: str, text: str) -> str:
        """Keep a small text under a name, for our eyes only, and return it."""
        _write_private(self.path / name, text)
        return text

    @contextmanager
    def environment_published(self, values: Mapping[str, str]) -> Iterator[None]:
        """`dev.env` with these values, for a shell or a script to read, until the block ends."""
        lines = [f"{name}={_quoted(value)}\n" for name, value in values.items()]
        _write_private(self.environment_file, "".join(lines))
        try:
            yield
        finally:
            self.environment_file.unlink(missing_ok=True)


def _quoted(value: str) -> str:
    # `shlex.quote` would also quote a URL's `?`, which the simple readers of such files do not undo.
    return value if _NEEDS_NO_QUOTES.fullmatch(value) else shlex.quote(value)


def _write_private(path: Path, text: str) -> None:
    """All of the text or nothing, and for our eyes only (0600) from the first byte on."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    Path(unfinished).replace(path)
