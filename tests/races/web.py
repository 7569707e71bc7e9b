"""Web processes for tests and benchmarks: the Procfile's `web`, each on a port of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from app.dev.children import kill_session, spawn
from app.dev.procfile import read_procfile
from tests.dev.starting import CHECKOUT, is_running, wait_until

_START_SECONDS = 90.0  # two, where nothing else runs


def environment_for(database_url: str, redis_url: str) -> dict[str, str]:
    """What a process of the product gets to see: two servers, and nothing of this test run's own settings."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
        "METERLINE_ENV": "development",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _started_at(pid: int) -> int:
    """In the kernel's ticks. The numbers of processes begin anew at some point, so the smallest need not be the oldest."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


class Web:
    """One started web process: granian and its workers, in a session of their own. Start it from the main thread.

    With `application`, another one than ours is served, under the same flags; it is ready when `ready_path` answers 200.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        *,
        workers: int = 1,
        application: str | None = None,
        ready_path: str = "/readyz",
    ) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._ready_path = ready_path
        self._log = log
        self._workers = workers
        self._environment = {**environment, "PORT": str(port), "WEB_CONCURRENCY": str(workers)}
        command = read_procfile(CHECKOUT / "Procfile", self._environment)["web"]
        self._command = [*command[:-1], application] if application else command
        self.start()

    def start(self) -> None:
        """Again, on the same port, after it has ended."""
        with self._log.open("ab") as output:
            self._process = spawn(
                self._command,
                environment=self._environment,
                death_signal=signal.SIGTERM,
                output=output.fileno(),
                directory=CHECKOUT,
            )

    @property
    def pid(self) -> int:
        """The server's; what answers requests is its child."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        wait_until(self.is_ready, seconds=_START_SECONDS)

    def is_ready(self) -> bool:
        """All the workers have started, those in place of killed ones too, and one of them can do its work."""
        assert self._process.poll() is None, self.log
        if len(self._running_workers()) < self._workers or not self._have_started():
            return False
        try:
            return httpx.get(f"{self.url}{self._ready_path}", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """`kill -9` of the server and its workers at once."""
        workers = self._running_workers()
        kill_session(self._process.pid)
        self._process.wait()
        wait_until(lambda: not any(map(is_running, workers)))

    def kill_worker(self) -> None:
        """`kill -9` of the oldest worker alone; the server is left to notice."""
        oldest = min(self._running_workers(), key=_started_at)
        os.kill(oldest, signal.SIGKILL)
        wait_until(lambda: not is_running(oldest))

    def _have_started(self) -> bool:
        # Of each worker, the last that the server said.
        last_said = dict(re.findall(r"(?:Spawning|Started) (worker-\d+)( runtime)?", self.log))
        return all(last_said.values())

    def _running_workers(self) -> list[int]:
        try:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        except FileNotFoundError:
            return []
        return [int(child) for child in children if is_running(int(child))]

    def terminate(self, *, with_its_worker: bool = False) -> None:
        """SIGTERM, to the server alone or, as some platforms do it, to its worker as well."""
        if with_its_worker:
            os.killpg(self._process.pid, signal.SIGTERM)
        else:
            self._process.terminate()

    def exit_code(self) -> int:
        """Waits for the end."""
        return self._process.wait(20)

    def stop(self) -> None:
        """An orderly end, then an end."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
