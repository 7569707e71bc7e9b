"""`make dev`: the whole of Meterline on one machine, and `python -m app.dev COMMAND` for a command beside it."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import NoReturn

import click
from pydantic import ValidationError

from app.dev.children import end_with_parent
from app.dev.home import Home, HomeInUseError, HomeUnusableError
from app.dev.procfile import ProcfileError
from app.dev.server import EmbeddedServerError
from app.dev.stack import (
    CannotStartError,
    embedded_servers,
    ensure_port_is_free,
    migrate,
    restart_dead,
    seed,
    start_processes,
    start_servers,
    wait_until_ready,
)
from app.dev.stripe_stand_in import past_proxies, stand_in_settings, start_stand_in
from app.settings import Settings

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PUBLISHED = ("DATABASE_URL", "REDIS_URL")

# The example of the first mutation; the seed makes this user, and a package with this feature.
_EXAMPLE_MUTATION = (
    'mutation { recordUsage(input: {userId: \\"124\\", featureId: \\"api-calls\\", delta: 400}) { recorded reason } }'
)


class _StopRequested(BaseException):
    """Ctrl-C, SIGTERM, or the terminal or `make` is gone. Not an Exception: nothing on the way up may catch it."""


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--stop-with-parent", is_flag=True, help="Stop when the process that started this one ends (Linux).")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def dev(command: tuple[str, ...], stop_with_parent: bool) -> None:
    """Run Meterline for development: embedded Postgres and Valkey, migrations, example data, web, worker and beat.

    With a COMMAND, run that instead, with the same servers and environment; it joins a `make dev` that is running.

    \b
    Environment:
      PORT            where web listens (8000)
      METERLINE_HOME  where data and dev.env are kept (.meterline)
      DATABASE_URL    a Postgres of yours in place of the embedded one
      REDIS_URL       a Redis of yours in place of the embedded one
      STRIPE_API_KEY  an account of yours in place of the double of Stripe
    """
    if stop_with_parent:
        end_with_parent()
    try:
        with _stopped_by_signals():
            settings = Settings(METERLINE_ENV="development")
            home = Home(settings.home)
            sys.exit(_run_beside(home, settings, command) if command else _run_all(home, settings))
    except _StopRequested:
        sys.exit(0)
    except (CannotStartError, EmbeddedServerError, HomeInUseError, HomeUnusableError, ProcfileError) as error:
        sys.exit(f"error: {error}")
    except ValidationError as error:
        # Without the values, which may be secrets.
        problems = [f"{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
        sys.exit(f"error: a setting in the environment is not usable: {'; '.join(problems)}")


def _run_all(home: Home, settings: Settings) -> NoReturn:
    with ExitStack() as parts:
        parts.enter_context(home.claimed())
        ensure_port_is_free(settings.port)
        servers = embedded_servers(home, settings)
        environment = start_servers(parts, servers, home, settings, log=sys.stdout)
        stripe = start_stand_in(parts, home, settings)
        environment |= {**stripe, **past_proxies(environment)} if stripe else {}
        migrate(environment)
        keys = seed(environment)
        processes = start_processes(parts, environment)
        parts.callback(click.echo, "stopping")
        wait_until_ready(processes, settings.port)
        url = f"http://127.0.0.1:{settings.port}"
        published = {"METERLINE_URL": url, **keys, **{name: environment[name] for name in _PUBLISHED}}
        if secret := environment.get("STRIPE_WEBHOOK_SECRET"):
            published["METERLINE_WEBHOOK_SECRET"] = secret
        parts.enter_context(home.environment_published(published))
        _announce(home, published, stripe.get("STRIPE_API_BASE"))
        while True:
            processes.watch()
            restart_dead(servers.values())


def _run_beside(home: Home, settings: Settings, command: tuple[str, ...]) -> int:
    with ExitStack() as parts:
        try:
            parts.enter_context(home.claimed())
        except HomeInUseError:
            click.echo("joining the make dev that is running", err=True)
        environment = start_servers(parts, embedded_servers(home, settings), home, settings, log=sys.stderr)
        environment |= {**stand_in_settings(home, settings), **past_proxies(environment)}
        try:
            return subprocess.run(command, env=environment, check=False).returncode
        except FileNotFoundError as error:
            raise CannotStartError(f"there is no program {command[0]}") from error


def _announce(home: Home, published: Mapping[str, str], stripe: str | None) -> None:
    url = published["METERLINE_URL"]
    key = published.get("METERLINE_ADMIN_KEY", "")
    click.echo(
        f"""
Meterline is ready: {url}   (Ctrl-C stops it)

  GraphQL      {url}/graphql#key={key}
  REST         {url}/docs
  secret key   {key}
  public key   {published.get("METERLINE_PUBLIC_KEY", "")}
  Stripe       {stripe or "the real one, by STRIPE_API_KEY"}{" (a double: no money moves)" if stripe else ""}
  for scripts  {home.environment_file}

Record usage, 400 of the 1,000 that the package of user 124 allows (the third time is refused):

  curl {url}/graphql -H 'Authorization: {key}' -H 'Content-Type: application/json' \\
    -d '{{"query": "{_EXAMPLE_MUTATION}"}}'
"""
    )


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        # Once is enough: a second one must not interrupt the orderly end. `make` passes SIGTERM on to us, and whoever
        # signals the whole process group has reached us before.
        for each in _STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise _StopRequested

    for each in _STOP_SIGNALS:
        # `nohup make dev` means to stay when the terminal goes.
        if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, stop)
    yield


if __name__ == "__main__":
    dev()
