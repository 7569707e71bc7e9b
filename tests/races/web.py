"""Web processes for tests and benchmarks: the Procfile's `web`, each on a port of its own."""

import os
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


class Web:
    """One started web process: granian and its worker, in a session of their own. Start it from the main thread.

    With `application`, another one than ours is served, under the same flags; it is ready when `ready_path` answers 200.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        *,
        application: str | None = None,
        ready_path: str = "/readyz",
    ) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._ready_path = ready_path
        self._log = log
        everything = {**environment, "PORT": str(port)}
        command = read_procfile(CHECKOUT / "Procfile", everything)["web"]
        with log.open("wb") as output:
            self._process = spawn(
                [*command[:-1], application] if application else command,
                environment=everything,
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
        wait_until(self._is_ready, seconds=_START_SECONDS)

    def kill(self) -> None:
        """`kill -9` of the server and its worker at once."""
        kill_session(self._process.pid)
        self._process.wait()

    def kill_worker(self) -> None:
        """`kill -9` of the worker alone; the server is left to notice."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        wait_until(lambda: not any(is_running(int(child)) for child in children))

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

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self.log
        try:
            return httpx.get(f"{self.url}{self._ready_path}", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
