"""Real workers and beats for a test: the Procfile's commands, under the runner of `make dev`, on servers of the test's own."""

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis

from app.dev.processes import Processes
from app.dev.procfile import read_procfile
from app.jobs import JOBS, Queue
from app.settings import environment_with
from tests.dev.starting import CHECKOUT, is_running

_PATIENCE_SECONDS = 30.0
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
# A schedule that sends nothing; tests say what they want sent.
SILENT = {f"SCHEDULE_{job.name.replace('.', '_').upper()}": "0" for job in JOBS if job.schedule}
_REAL, _WITH_ROWS = "workers.celery_app", "tests.workers.with_rows"


class Stage:
    """What runs, what waits in the broker, and what the database says."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self.database_url = database_url
        self.redis_url = redis_url
        self.log = io.StringIO()
        self._running: list[Processes] = []

    def start(self, *names: str, with_rows: bool = True, concurrency: int = 1, **environment: str) -> Processes:
        """Start these entries of the Procfile, such as "worker", "beat"; with the job of `counted_rows`, or as they are."""
        variables = environment_with(
            METERLINE_ENV="development",
            DATABASE_URL=self.database_url,
            REDIS_URL=self.redis_url,
            WORKER_CONCURRENCY=str(concurrency),
            PYTHONWARNINGS="ignore",
            **{**SILENT, **environment},
        )
        variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), variables["PATH"]])
        entries = read_procfile(CHECKOUT / "Procfile", variables)
        commands = {name: _with_rows(entries[name]) if with_rows else entries[name] for name in names}
        processes = Processes(commands, environment=variables, directory=CHECKOUT, log=self.log)
        processes.start()
        self._running.append(processes)
        return processes

    def until(self, is_so: Callable[[], bool], seconds: float = _PATIENCE_SECONDS) -> None:
        """Run on until it is so: output is passed on, and who died is started again."""
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, f"it did not happen:\n{self.log.getvalue()}"
            for processes in self._running:
                processes.watch()

    def stop(self) -> None:
        """Kill them: an end in good order takes seconds, and what is left is nobody's."""
        while self._running:
            self._running.pop().stop(grace_seconds=0)

    def execute(self, statement: str, *parameters: int | str) -> None:
        with psycopg.connect(self.libpq_url, autocommit=True) as connection:
            connection.execute(statement, parameters or None)  # type: ignore[call-overload]  # our own words

    def ask(self, question: str) -> Any:
        """The one value that the database answers."""
        with psycopg.connect(self.libpq_url, autocommit=True) as connection:
            row = connection.execute(question).fetchone()  # type: ignore[call-overload]  # our own words
            return row[0] if row else None

    @contextmanager
    def gate_closed(self) -> Iterator[Callable[[], bool]]:
        """Until the block ends, the job stands still in the middle of its first batch; the answer says whether it does."""
        with psycopg.connect(self.libpq_url) as holder:
            holder.execute("SELECT FROM gate FOR UPDATE")
            yield lambda: self.waiting() == 1

    @property
    def libpq_url(self) -> str:
        return self.database_url.replace("+psycopg", "")

    def sent(self) -> list[str]:
        """The names of the jobs that wait in the broker."""
        with Redis.from_url(self.redis_url) as redis:
            return [json.loads(one)["headers"]["task"] for queue in Queue for one in redis.lrange(queue, 0, -1)]

    def lose_messages(self) -> None:
        """The broker forgets everything."""
        with Redis.from_url(self.redis_url) as redis:
            redis.flushall()

    def unacknowledged(self) -> int:
        """Messages that workers have taken and not yet acknowledged."""
        with Redis.from_url(self.redis_url) as redis:
            return int(redis.hlen("unacked"))

    def waiting(self) -> int:
        """How many connections of the database wait for a lock."""
        return int(self.ask(_WAITING))


def _with_rows(command: list[str]) -> list[str]:
    return [
        word.replace(_REAL, _WITH_ROWS).replace("workers.beat:Turns", f"{_WITH_ROWS}:TurnsWithRows") for word in command
    ]


def children(pid: int) -> list[int]:
    """The pool's processes of a worker."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if is_running(int(word))]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
