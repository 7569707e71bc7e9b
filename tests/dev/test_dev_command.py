"""`python -m app.dev`: what it says when it cannot start, and commands beside the servers."""

import shlex
import socket
import subprocess
import sys
from pathlib import Path

from app.dev.home import Home
from app.settings import environment_with
from tests.dev.starting import CHECKOUT


def dev(home: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.dev", *command],
        cwd=CHECKOUT,
        env=environment_with(METERLINE_HOME=str(home), DATABASE_URL="", REDIS_URL="", **environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_port_in_use_is_named_with_the_way_out_and_nothing_is_started(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        answer = dev(home, PORT=str(port))

    assert answer.returncode == 1
    assert answer.stderr.startswith(f"error: port {port} cannot be used (Address already in use). Choose another")
    assert "make dev PORT=" in answer.stderr
    assert not (home / "postgres").exists()


def test_a_second_one_in_the_same_home_is_refused_and_the_first_keeps_its_file(home: Path) -> None:
    first = Home(home)
    with first.claimed(), first.environment_published({"METERLINE_URL": "http://127.0.0.1:1"}):
        answer = dev(home)

        assert answer.returncode == 1
        assert f"make dev is already running in {home}" in answer.stderr
        assert first.environment_file.exists()


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        answer = dev(home)

        assert answer.returncode == 1
        assert answer.stderr.startswith(f"error: {home} cannot be used (")
        assert answer.stderr.endswith("choose another METERLINE_HOME\n")


def test_a_setting_that_cannot_be_used_is_named(home: Path) -> None:
    answer = dev(home, PORT="eighty")

    assert answer.returncode == 1
    assert answer.stderr.startswith("error: a setting in the environment is not usable: PORT: ")
    assert "eighty" not in answer.stderr


def test_a_command_runs_beside_the_servers_and_its_exit_code_is_ours(home: Path) -> None:
    answer = dev(home, "sh", "-c", 'echo "$METERLINE_ENV $DATABASE_URL $REDIS_URL"; exit 3')

    assert answer.returncode == 3
    environment, database_url, redis_url = answer.stdout.split()
    assert environment == "development"
    assert database_url.startswith("postgresql://postgres@:5432/meterline?host=/")
    assert redis_url.startswith("unix:///")


def test_dev_env_is_private_readable_by_a_shell_and_gone_afterwards(home: Path) -> None:
    values = {"DATABASE_URL": "postgresql://postgres@:5432/meterline?host=/tmp/x", "ODD": "a b&c'd"}
    with Home(home).environment_published(values):
        file = Home(home).environment_file
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.read_text().splitlines()[0] == f"DATABASE_URL={values['DATABASE_URL']}"
        script = f'. {shlex.quote(str(file))}; printf "%s\\n" "$DATABASE_URL" "$ODD"'
        said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout

    assert said.splitlines() == list(values.values())
    assert not file.exists()


def test_the_secret_key_stays_the_same_and_private(home: Path) -> None:
    key = Home(home).secret_key()

    assert len(key) == 64
    assert Home(home).secret_key() == key
    assert (home / "secret_key").stat().st_mode & 0o777 == 0o600
