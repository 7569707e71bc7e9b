"""`make dev` as a newcomer starts it, and everything that it starts."""

import os
import re
import shlex
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from app.dev.children import spawn
from app.settings import Settings
from tests.dev.starting import CHECKOUT, is_running, wait_until
from tests.races.web import free_port

READY_SECONDS = 60.0
_STOP_SECONDS = 30.0
# What `make test` would tell a make that it starts, and a newcomer's shell does not.
_OF_MAKE = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"}


class MakeDev:
    """A running `make dev` with a home and a port of its own. Start it from the main thread."""

    def __init__(self, command: str, home: Path, port: int | None = None) -> None:
        self.home = home
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = home.with_name(f"{home.name}-output.log")
        with self._log.open("wb") as output:
            self._process = spawn(
                ["bash", "-c", command],
                environment={**_shell_environment(), "PORT": str(self.port), "METERLINE_HOME": str(home)},
                death_signal=signal.SIGTERM,
                output=output.fileno(),
                directory=CHECKOUT,
            )
        self._begun = time.monotonic()

    @property
    def output(self) -> str:
        """All that it has printed so far."""
        return self._log.read_text(errors="replace")

    @property
    def environment_file(self) -> Path:
        return self.home / "dev.env"

    @property
    def values(self) -> dict[str, str]:
        """`dev.env`, read as a shell would."""
        lines = self.environment_file.read_text().splitlines()
        return dict(shlex.split(line)[0].split("=", 1) for line in lines)

    def filled_in(self, command: str) -> str:
        """A command of the documentation, which cannot know the key, nor the port that was free."""
        return command.replace("prv_test_…", self.values["METERLINE_ADMIN_KEY"]).replace(
            "http://127.0.0.1:8000", self.url
        )

    @property
    def curl(self) -> str:
        """The command that it printed for pasting."""
        found = re.search(r"^  (curl .+?)\n\n", self.output, re.MULTILINE | re.DOTALL)
        assert found, self.output
        return found[1]

    def wait_until_ready(self) -> float:
        """Seconds since the start; `dev.env` is there by then."""
        while "Meterline is ready" not in self.output:
            assert self._process.poll() is None, self.output
            assert self._seconds() < READY_SECONDS, self.output
            time.sleep(0.05)
        return self._seconds()

    def _seconds(self) -> float:
        return time.monotonic() - self._begun

    def pids(self) -> list[int]:
        """Everything that was started, the starters first."""
        return [self._process.pid, *_descendants(self._process.pid)]

    def kill_everything(self) -> None:
        """`kill -9`, one by one, by number; the runner before what it would start again."""
        pids = self.pids()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        wait_until(lambda: not any(map(is_running, pids)))

    def stop(self) -> int:
        """SIGTERM to the runner; the exit code that the shell sees."""
        for runner in self._runner():
            os.kill(runner, signal.SIGTERM)
        return self._exit_code()

    def press_ctrl_c(self) -> None:
        """SIGINT to make and to the runner alike, as a terminal sends it."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        self._exit_code()

    def _exit_code(self) -> int:
        try:
            return self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill_everything()
            raise

    def _runner(self) -> list[int]:
        return [pid for pid in self.pids() if " -m app.dev " in _command_line(pid)]

    def left_running(self) -> list[str]:
        """The command lines of whatever still works for this home, whoever its parent is by now."""
        return [_command_line(pid) for pid in _all_pids() if is_running(pid) and str(self.home) in _traces(pid)]


def _shell_environment() -> dict[str, str]:
    """Ours without what would point the product at another database, port or home."""
    ours = {str(field.validation_alias or name).upper() for name, field in Settings.model_fields.items()}
    return {name: value for name, value in os.environ.items() if name not in ours | _OF_MAKE}


def _descendants(pid: int) -> list[int]:
    parents = {child: _parent(child) for child in _all_pids()}
    found = [pid]
    for ancestor in found:  # grows on the way
        found += [child for child, parent in parents.items() if parent == ancestor]
    return found[1:]


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent(pid: int) -> int:
    stat = _read(pid, "stat")
    return int(stat.rpartition(")")[2].split()[1]) if stat else 0


def _command_line(pid: int) -> str:
    return _read(pid, "cmdline").replace("\0", " ")


def _traces(pid: int) -> str:
    """Where a process shows what it works on: Valkey, for one, gives itself another command line."""
    try:
        directory = str(Path(f"/proc/{pid}/cwd").readlink())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        directory = ""
    return " ".join([_command_line(pid), _read(pid, "environ"), directory])


def _read(pid: int, name: str) -> str:
    """Empty for a process that has ended meanwhile or is not ours to look into."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
