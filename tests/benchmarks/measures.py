"""One round of load with the CPU time that the servers took for it, and rounds of several loads in turn."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from tests.benchmarks.cpu import cpu_seconds
from tests.benchmarks.load import run_load
from tests.benchmarks.samples import Sample
from tests.races.web import Web

Measure = Callable[[int, float], Sample]
"""One round: how many clients, for how many seconds."""

Name = TypeVar("Name", bound=Hashable)


def over_http(web: Web, database_pid: int, requests: Iterator[bytes], expected: bytes) -> Measure:
    def run(clients: int, seconds: float) -> Sample:
        return run_load(web.url, clients, seconds, requests, expected)

    return with_cpu(run, web.pid, database_pid)


def with_cpu(run: Measure, web_pid: int | None, database_pid: int) -> Measure:
    def measure(clients: int, seconds: float) -> Sample:
        web_before, database_before = _cpu(web_pid), _cpu(database_pid)
        sample = run(clients, seconds)
        web_after, database_after = _cpu(web_pid), _cpu(database_pid)
        return replace(
            sample,
            web_cpu_seconds=_between(web_before, web_after),
            database_cpu_seconds=_between(database_before, database_after),
        )

    return measure


def interleaved(
    measures: Mapping[Name, Measure], *, rounds: int, clients: int, seconds: float, say: Callable[[str], None]
) -> dict[Name, list[Sample]]:
    """Every one once, then every one again: what the machine's neighbours do meanwhile then meets all alike.

    Each round begins with another one, so that none always follows the same.
    """
    names = list(measures)
    samples: dict[Name, list[Sample]] = {name: [] for name in names}
    for number in range(rounds):
        say(f"{clients} clients, round {number + 1} of {rounds}")
        start = number * len(names) // rounds
        for name in names[start:] + names[:start]:
            samples[name].append(measures[name](clients, seconds))
    return samples


def _cpu(pid: int | None) -> float | None:
    return None if pid is None else cpu_seconds(pid)


def _between(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
