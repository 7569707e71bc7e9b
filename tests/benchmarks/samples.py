"""What one round of one scenario gave, and what several rounds say together."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One round. A request can carry several events; latencies are of requests. None: not known here."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    load_cpu_seconds: float | None = None
    web_cpu_seconds: float | None = None
    database_cpu_seconds: float | None = None

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def sample_of(durations: Sequence[float], seconds: float, *, load_cpu_seconds: float | None = None) -> Sample:
    """`durations` in seconds, one for each request; at least one."""
    ordered = sorted(durations)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 for share in (0.50, 0.99))
    return Sample(len(ordered), seconds, p50, p99, load_cpu_seconds)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several rounds, and how far they were apart."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))
