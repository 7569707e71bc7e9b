"""The embedded Valkey against what happens to it on a laptop; the queue of jobs lives in it."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from app.dev.valkey import EmbeddedValkey
from tests.dev.starting import Starter, is_running, wait_until


@contextmanager
def client_of(url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(url, decode_responses=True)
    try:
        yield client
    finally:
        client.close()


def push(url: str, *words: str) -> None:
    with client_of(url) as client:
        for word in words:
            client.rpush("queue", word)


def queue(url: str) -> list[str]:
    with client_of(url) as client:
        return client.lrange("queue", 0, -1)


def pid_of(url: str) -> int:
    with client_of(url) as client:
        return int(client.info("server")["process_id"])


def test_it_keeps_every_write_never_evicts_and_opens_no_port(home: Path) -> None:
    with EmbeddedValkey(home) as server, client_of(server.url) as client:
        settings = client.config_get("appendonly", "maxmemory-policy", "port")

    assert settings == {"appendonly": "yes", "maxmemory-policy": "noeviction", "port": "0"}


def test_the_databases_are_apart(home: Path) -> None:
    with EmbeddedValkey(home) as server:
        push(server.url, "in zero")

        assert server.url == server.url_of(0)
        assert queue(server.url_of(1)) == []


def test_a_restart_keeps_the_queue_and_the_url(home: Path) -> None:
    with EmbeddedValkey(home) as server:
        first_url = server.url
        push(first_url, "kept")

    with EmbeddedValkey(home) as server:
        assert server.url == first_url
        assert queue(server.url) == ["kept"]


def test_after_kill_9_of_the_server_the_same_object_starts_it_again_with_all_jobs(home: Path) -> None:
    with EmbeddedValkey(home) as server:
        jobs = [str(number) for number in range(300)]
        push(server.url, *jobs)
        os.kill(pid_of(server.url), signal.SIGKILL)
        wait_until(lambda: server.has_died)

        server.start()

        assert not server.has_died

        assert server.is_owner
        assert queue(server.url) == jobs


def test_after_kill_9_of_the_starter_nothing_runs_and_the_next_start_finds_the_queue(home: Path) -> None:
    with Starter(EmbeddedValkey, home) as starter:
        url, role = starter.answer()
        assert role == "owns"
        push(url, "kept")
        server = pid_of(url)

        starter.kill()

        wait_until(lambda: not is_running(server))
    with EmbeddedValkey(home) as again:
        assert again.is_owner
        assert queue(again.url) == ["kept"]


def test_of_three_racing_starters_one_owns_the_server_and_two_join(home: Path) -> None:
    with ExitStack() as starters:
        three = [starters.enter_context(Starter(EmbeddedValkey, home)) for _ in range(3)]

        answers = [starter.answer() for starter in three]

    assert sorted(role for _, role in answers) == ["joined", "joined", "owns"]
    assert len({url for url, _ in answers}) == 1


def test_a_stop_by_one_that_joined_leaves_the_server_alone(home: Path) -> None:
    with EmbeddedValkey(home) as owner:
        with EmbeddedValkey(home) as joined:
            assert not joined.is_owner

        push(owner.url, "still here")
        assert queue(owner.url) == ["still here"]
