"""The life cycle that the embedded servers share.

Three locks in the server's directory tell the truth even after `kill -9`, because the kernel drops them with their holder:

- `starting.lock`: one start at a time.
- `server.lock`: inherited by the server and all its children. While it is held, something still works on the data.
- `owner.lock`: held by the process that started the server and will stop it. Others who start the same directory join.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

from app.dev.children import ENDS_WITH_PARENT, Account, can_reach, kill_session, spawn

_START_SECONDS = 60.0  # crash recovery of a busy database takes a few seconds
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.01
_LOG_LIMIT_BYTES = 5_000_000
_SOCKET_PATH_LIMIT = 103  # bytes, on macOS; Linux allows 107

# The servers see nothing of the caller's environment: PGOPTIONS and its like would change what they do.
_ENVIRONMENT: Mapping[str, str] = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedServerError(Exception):
    """A server could not be started; the message says why and what to do."""


class EmbeddedServer(ABC):
    """A server on a unix socket, its data in `place`. Start it from the main thread (see `spawn`)."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    socket_name: ClassVar[str]

    def __init__(self, place: Path, account: Account | None = None) -> None:
        self.place = place
        self.account = account
        self._process: subprocess.Popen[bytes] | None = None
        self._held = ExitStack()
        self._socket_directory: Path | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find the server; known once it is started."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data directory, and remove what a killed server left behind. Nobody else is at the data now."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether a client gets through all the way; a socket file alone says nothing."""

    @property
    def is_owner(self) -> bool:
        """Whether this object started the server and will stop it (it may also have joined another's)."""
        return self._process is not None

    @property
    def has_died(self) -> bool:
        """Whether the server that this object started has ended by itself. `start()` starts it again, with its data."""
        return self._process is not None and self._process.poll() is not None

    @property
    def socket_directory(self) -> Path:
        """The short private directory of the socket.

        Raises:
            RuntimeError: the server was not started.
        """
        if self._socket_directory is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._socket_directory

    def start(self) -> str:
        """Start the server, or join the one that another live process has started on the same data; returns its URL.

        Raises:
            EmbeddedServerError: it cannot be started, or does not answer within a minute.
        """
        if self._process is not None and self._process.poll() is None and self._answers():
            return self.url
        deadline = time.monotonic() + _START_SECONDS
        with _locked(self.place / "starting.lock"):
            while (lock := _try_lock(self.place / "server.lock")) is None:
                if self._join():
                    return self.url
                # It is starting, or its owner is gone and it is about to end.
                self._sleep_until(deadline, "another one is still busy with the same data")
            with lock:
                self._start_own(lock, deadline)
        return self.url

    def stop(self) -> None:
        """Stop the server if this object started it; without effect on one that was joined."""
        process, self._process = self._process, None
        if process is not None:
            _end(process, self.stop_signal)
            self._tidy()
        self._held.close()

    def kill(self) -> None:
        """`kill -9` for the server that this object started: `start()` finds what a power cut leaves. For tests."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _join(self) -> bool:
        # A server whose owner was killed gets its stop signal from the kernel: joining it would mean to lose it at once.
        if ENDS_WITH_PARENT and (abandoned := _try_lock(self.place / "owner.lock")) is not None:
            abandoned.close()
            return False
        with suppress(FileNotFoundError):
            self._socket_directory = Path((self.place / "socket").read_text())
            return self._answers()
        return False

    def _start_own(self, lock: IO[bytes], deadline: float) -> None:
        if self._process is not None:
            self._process.wait()  # killed, or the lock would be taken; it must not stay a zombie
            self._process = None
        self._hold_ownership()
        try:
            self._prepare()
            self._socket_directory = private_socket_directory(self.place, self.socket_name, self.account)
            for left in self._socket_directory.iterdir():
                left.unlink()
            self._process = self._spawn(self._command(), [lock.fileno()])
            while not self._answers():
                if self._process.poll() is not None:
                    raise EmbeddedServerError(f"{self.name} ended at once. The end of {self._log}:\n{self._log_tail()}")
                self._sleep_until(deadline, f"it does not answer; see {self._log}")
            (self.place / "socket").write_text(str(self._socket_directory))
        except BaseException:
            self.stop()
            raise

    def _tidy(self) -> None:
        # The next one may have started already, on the same socket.
        if (lock := _try_lock(self.place / "server.lock")) is None:
            return
        with lock:
            (self.place / "socket").unlink(missing_ok=True)
            shutil.rmtree(self.socket_directory, ignore_errors=True)

    def _hold_ownership(self) -> None:
        # A new file each time: the owner of a server that was killed may be alive and still hold the old one.
        self._held.close()
        path = self.place / "owner.lock"
        path.unlink(missing_ok=True)
        owner = _try_lock(path)
        if owner is None:
            raise EmbeddedServerError(f"{path} is held although it is new")
        self._held.enter_context(owner)

    def _spawn(self, command: list[str], kept_descriptors: Sequence[int] = ()) -> subprocess.Popen[bytes]:
        mode = "ab" if self._log.exists() and self._log.stat().st_size < _LOG_LIMIT_BYTES else "wb"
        with self._log.open(mode) as log:
            return spawn(
                command,
                environment=_ENVIRONMENT,
                death_signal=self.stop_signal,
                output=log.fileno(),
                account=self.account,
                kept_descriptors=kept_descriptors,
                directory=Path("/"),
            )

    def _run_to_its_end(self, command: list[str]) -> None:
        """For a preparing program, as the server's user.

        Raises:
            EmbeddedServerError: it failed.
        """
        if self._spawn(command).wait() != 0:
            raise EmbeddedServerError(f"{Path(command[0]).name} failed. The end of {self._log}:\n{self._log_tail()}")

    @property
    def _log(self) -> Path:
        return self.place / "server.log"

    def _log_tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

    def _sleep_until(self, deadline: float, problem: str) -> None:
        if time.monotonic() > deadline:
            raise EmbeddedServerError(f"{self.name} could not be started in {_START_SECONDS:.0f} s: {problem}")
        time.sleep(_POLL_SECONDS)


def private_socket_directory(place: Path, socket_name: str, account: Account | None) -> Path:
    """A directory for the socket that belongs to the server's user alone, the same for the same `place`.

    In the temporary directory, because a socket's path must be short. Root's server runs under another account, which may
    have no way into root's temporary directory; the common one is next.

    Raises:
        EmbeddedServerError: none is usable, or somebody else made it first.
    """
    digest = hashlib.sha256(os.fsencode(place.resolve())).hexdigest()[:12]
    for base in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 — a private directory inside it, checked below
        directory = base / f"meterline-{digest}"
        if len(os.fsencode(directory / socket_name)) <= _SOCKET_PATH_LIMIT and can_reach(account, base):
            make_private(directory, account)
            return directory
    raise EmbeddedServerError("no temporary directory with a short path; set TMPDIR to one")


def make_private(directory: Path, account: Account | None) -> None:
    """Make sure that `directory` exists and belongs to `account` (else to us) with mode 0700.

    Raises:
        EmbeddedServerError: it exists and is another's, or is no directory.
    """
    uid = account.uid if account else os.geteuid()
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700, parents=True)
    found = directory.lstat()
    if account and stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
        os.chown(directory, account.uid, account.gid)
        found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid:
        raise EmbeddedServerError(
            f"{directory} belongs to user {found.st_uid}, not {uid}: start as the user who made it, or move it away"
        )
    directory.chmod(0o700)


def _end(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    for sent in (stop_signal, signal.SIGKILL):
        if process.poll() is not None:
            break
        process.send_signal(sent)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    kill_session(process.pid)


def _try_lock(path: Path) -> IO[bytes] | None:
    """The open, locked file, or None if another holds the lock. Closing it gives the lock up."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
