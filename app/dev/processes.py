"""Run the Procfile's processes side by side: output with their names in front, restarted when they end, stopped together."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from app.dev.children import kill_session, spawn

_POLL_SECONDS = 0.1
_READ_BYTES = 65_536
_FIRST_DELAY_SECONDS = 1.0
_LONGEST_DELAY_SECONDS = 30.0
# Whoever ran this long was healthy: the next restart is quick again.
_HEALTHY_SECONDS = 60.0


@dataclass(slots=True)
class _Process:
    name: str
    command: Sequence[str]
    running: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_again_at: float = 0.0
    delay_seconds: float = _FIRST_DELAY_SECONDS
    ends: int = 0
    unfinished_line: bytes = field(default=b"")


class Processes:
    """A few named programs with one environment. Not for use by several threads; `watch()` does all the work.

    A program that ends is started again after 1, 2, 4 … 30 seconds. Each leads its own session: a stop signal goes to the main
    process alone, which ends its own children in order; what is left of the session afterwards is killed.
    """

    def __init__(
        self, commands: Mapping[str, Sequence[str]], *, environment: Mapping[str, str], directory: Path, log: IO[str]
    ) -> None:
        self._processes = [_Process(name, command) for name, command in commands.items()]
        self._environment = environment
        self._directory = directory
        self._log = log
        self._width = max(map(len, commands), default=0)
        self._outputs = selectors.DefaultSelector()

    def start(self) -> None:
        """Start all of them."""
        for process in self._processes:
            self._start(process)

    def watch(self, *, restart: bool = True) -> None:
        """Pass output on for at most a tenth of a second, and start again what has ended and is due."""
        self._pass_output_on(_POLL_SECONDS)
        now = time.monotonic()
        for process in self._processes:
            if process.running is not None:
                self._notice_end(process, now, restart=restart)
            elif restart and now >= process.start_again_at:
                self._start(process)

    def count_ends(self, name: str) -> int:
        """How often this program has ended by itself."""
        return next(process.ends for process in self._processes if process.name == name)

    def pid_of(self, name: str) -> int | None:
        """The program's main process; None while it does not run."""
        return next((running.pid for process, running in self._running() if process.name == name), None)

    def stop(self, *, grace_seconds: float) -> None:
        """SIGTERM to each main process; after the grace, an end for whatever is left."""
        deadline = time.monotonic() + grace_seconds
        for _, running in self._running():
            running.send_signal(signal.SIGTERM)
        while (left := self._running()) and time.monotonic() < deadline:
            self.watch(restart=False)
        for process, running in left:
            self._say(process, f"did not end within {grace_seconds:g} s: killed")
            kill_session(running.pid)
            running.wait()
            process.running = None
        self._pass_output_on(0)
        for key in list(self._outputs.get_map().values()):
            self._close(key)

    def _running(self) -> list[tuple[_Process, subprocess.Popen[bytes]]]:
        return [(process, process.running) for process in self._processes if process.running is not None]

    def _start(self, process: _Process) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        self._outputs.register(reading, selectors.EVENT_READ, process)
        try:
            process.running = spawn(
                process.command,
                environment=self._environment,
                # If we are killed, each still has the time to end its own children.
                death_signal=signal.SIGTERM,
                output=writing,
                directory=self._directory,
            )
        finally:
            os.close(writing)
        process.started_at = time.monotonic()

    def _notice_end(self, process: _Process, now: float, *, restart: bool) -> None:
        if process.running is None or (code := process.running.poll()) is None:
            return
        kill_session(process.running.pid)
        process.running = None
        if not restart:
            return
        if now - process.started_at >= _HEALTHY_SECONDS:
            process.delay_seconds = _FIRST_DELAY_SECONDS
        process.ends += 1
        process.start_again_at = now + process.delay_seconds
        self._say(process, f"ended with {_meaning(code)}; starting again in {process.delay_seconds:.0f} s")
        process.delay_seconds = min(process.delay_seconds * 2, _LONGEST_DELAY_SECONDS)

    def _pass_output_on(self, timeout_seconds: float) -> None:
        if not self._outputs.get_map():
            time.sleep(timeout_seconds)
            return
        for key, _ in self._outputs.select(timeout_seconds):
            process: _Process = key.data
            read = os.read(key.fd, _READ_BYTES)
            *lines, process.unfinished_line = (process.unfinished_line + read).split(b"\n")
            for line in lines:
                self._say(process, line.decode(errors="replace"))
            if not read:
                self._close(key)

    def _close(self, key: selectors.SelectorKey) -> None:
        self._outputs.unregister(key.fileobj)
        os.close(key.fd)
        process: _Process = key.data
        if process.unfinished_line:
            self._say(process, process.unfinished_line.decode(errors="replace"))
            process.unfinished_line = b""

    def _say(self, process: _Process, line: str) -> None:
        # Whoever read the output may have left (`make dev | head`); the processes go on without.
        with suppress(BrokenPipeError):
            self._log.write(f"{process.name:<{self._width}} | {line}\n")
            self._log.flush()


def _meaning(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
