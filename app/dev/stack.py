"""The parts of a running Meterline, in the order they start; each stops in the reverse order."""

import errno
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import click

from app.dev.children import spawn
from app.dev.home import Home
from app.dev.postgres import EmbeddedPostgres
from app.dev.processes import Processes
from app.dev.procfile import read_procfile
from app.dev.server import EmbeddedServer
from app.dev.valkey import EmbeddedValkey
from app.settings import Settings, environment_with

CHECKOUT = Path(__file__).resolve().parents[2]

_READY_SECONDS = 90.0
_GRACE_SECONDS = 25.0  # what Heroku gives, less a little
_GRACE_BEFORE_READY_SECONDS = 3.0
_PORT_SECONDS = 2.0
_LAST_PORT = 65_535
_TRIES_BEFORE_READY = 3
_ASSIGNMENT = re.compile(r"(METERLINE_[A-Z_]+)=(.*)")


class CannotStartError(Exception):
    """`make dev` cannot go on; the message says why and what to do."""


def ensure_port_is_free(port: int) -> None:
    """Look before anything is started. Waits for two seconds: after `kill -9` the former web may still be leaving.

    Raises:
        CannotStartError: somebody listens there.
    """
    deadline = time.monotonic() + _PORT_SECONDS
    while (problem := _port_problem(port)) and problem.errno == errno.EADDRINUSE and time.monotonic() < deadline:
        time.sleep(0.1)
    if problem:
        raise CannotStartError(
            f"port {port} cannot be used ({os.strerror(problem.errno or 0)}). "
            f"Choose another, for example: make dev PORT={port + 1 if port < _LAST_PORT else 8000}"
        )


def _port_problem(port: int) -> OSError | None:
    for address in ("0.0.0.0", "127.0.0.1"):  # noqa: S104 — where web will listen, and where only one program may be
        with socket.socket() as probe:
            # As servers do: a port whose last connections are still winding down is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                return error
    return None


def embedded_servers(home: Home, settings: Settings) -> dict[str, EmbeddedServer]:
    """The servers for the URLs that the environment does not give, by the name of that URL.

    Raises:
        EmbeddedServerError: the data belong to somebody else.
    """
    servers: dict[str, EmbeddedServer] = {}
    if "database_url" not in settings.model_fields_set:
        servers["DATABASE_URL"] = EmbeddedPostgres(home.path)
    if "redis_url" not in settings.model_fields_set:
        servers["REDIS_URL"] = EmbeddedValkey(home.path)
    return servers


def start_servers(
    parts: ExitStack, servers: Mapping[str, EmbeddedServer], home: Home, settings: Settings, *, log: IO[str]
) -> dict[str, str]:
    """Start the servers; returns the environment for everything that uses them.

    Raises:
        EmbeddedServerError: one of them cannot be started.
    """
    environment = environment_with(
        METERLINE_ENV="development", METERLINE_HOME=str(home.path), PORT=str(settings.port), PYTHONUNBUFFERED="1"
    )
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    if "secret_key" not in settings.model_fields_set:
        environment["SECRET_KEY"] = home.secret_key()
    for name, server in servers.items():
        begun = time.monotonic()
        environment[name] = server.start()
        parts.callback(server.stop)
        verb = "started" if server.is_owner else "joined"
        click.echo(f"{server.name}: {verb} in {time.monotonic() - begun:.1f} s ({server.place})", file=log)
    return environment


def restart_dead(servers: Iterable[EmbeddedServer]) -> None:
    """Start again what was killed, on the same data and under the same URL.

    Raises:
        EmbeddedServerError: it does not start.
    """
    for server in servers:
        if server.has_died:
            click.echo(f"{server.name}: ended by itself; starting it again")
            server.start()


def migrate(environment: Mapping[str, str]) -> None:
    """Run the Procfile's `release`, as a deployment would.

    Raises:
        CannotStartError: a migration failed.
    """
    _run_to_its_end("migrations", read_procfile(CHECKOUT / "Procfile", environment)["release"], environment)


def seed(environment: Mapping[str, str]) -> dict[str, str]:
    """Make sure that the example data are there; returns what the seed has to say, such as `METERLINE_ADMIN_KEY`.

    Raises:
        CannotStartError: seeding failed.
    """
    said = _run_to_its_end("example data", [sys.executable, "-m", "app.dev.seed"], environment)
    return {found[1]: found[2] for line in said.splitlines() if (found := _ASSIGNMENT.fullmatch(line.strip()))}


def _run_to_its_end(what: str, command: list[str], environment: Mapping[str, str]) -> str:
    begun = time.monotonic()
    process = spawn(
        command, environment=environment, death_signal=signal.SIGTERM, output=subprocess.PIPE, directory=CHECKOUT
    )
    said = process.communicate()[0].decode(errors="replace")
    if process.returncode != 0:
        raise CannotStartError(f"{what}: `{' '.join(command)}` failed:\n{said}")
    click.echo(f"{what}: up to date after {time.monotonic() - begun:.1f} s")
    return said


def start_processes(parts: ExitStack, environment: Mapping[str, str]) -> Processes:
    """Start web, worker and beat."""
    commands = read_procfile(CHECKOUT / "Procfile", environment)
    commands.pop("release", None)
    processes = Processes(commands, environment=environment, directory=CHECKOUT, log=sys.stdout)
    parts.callback(processes.stop, grace_seconds=_GRACE_SECONDS)
    click.echo(f"starting {', '.join(commands)}")
    processes.start()
    return processes


def wait_until_ready(processes: Processes, port: int, *, name: str = "web") -> None:
    """Pass output on until `/readyz` answers 200.

    Raises:
        CannotStartError: web keeps ending, or is not ready after 90 s.
    """
    deadline = time.monotonic() + _READY_SECONDS
    try:
        while not _is_ready(port):
            processes.watch()
            if processes.count_ends(name) >= _TRIES_BEFORE_READY:
                raise CannotStartError(
                    f"{name} ended {_TRIES_BEFORE_READY} times before it was ready; its output is above"
                )
            if time.monotonic() > deadline:
                raise CannotStartError(f"http://127.0.0.1:{port}/readyz did not answer 200 in {_READY_SECONDS:.0f} s")
    except BaseException:
        # A worker of granian 2.8 that is still starting does not hear that it should stop, and granian waits for it as long as
        # for a request (25 s). Nothing is being served yet, so nobody needs that time.
        processes.stop(grace_seconds=_GRACE_BEFORE_READY_SECONDS)
        raise


def _is_ready(port: int) -> bool:
    # Straight to the port: a proxy of the environment has no business here.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
