"""What the rounds say. A ratio is taken round by round, between neighbours in time, and the median of those is told."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.benchmarks.samples import Sample, Spread


@dataclass(frozen=True, slots=True)
class Figure:
    """A scenario at one number of clients."""

    name: str
    users: str
    label: str
    clients: int
    events: int
    """How many in each request."""
    samples: Sequence[Sample]

    @property
    def rates(self) -> list[float]:
        """Events a second, for each round."""
        return [sample.per_second * self.events for sample in self.samples]

    @property
    def p50s_ms(self) -> list[float]:
        return [sample.p50_ms for sample in self.samples]

    @property
    def p99s_ms(self) -> list[float]:
        return [sample.p99_ms for sample in self.samples]

    def cpu_us(self, seconds_of: Callable[[Sample], float | None]) -> float | None:
        """Microseconds of CPU time for each event, all rounds together."""
        seconds = [taken for sample in self.samples if (taken := seconds_of(sample)) is not None]
        events = sum(sample.requests for sample in self.samples) * self.events
        return sum(seconds) / events * 1e6 if seconds else None

    @property
    def web_us(self) -> float | None:
        return self.cpu_us(lambda sample: sample.web_cpu_seconds)

    @property
    def database_us(self) -> float | None:
        return self.cpu_us(lambda sample: sample.database_cpu_seconds)

    @property
    def servers_us(self) -> float | None:
        """Of the web process and the database together."""
        return None if self.web_us is None or self.database_us is None else self.web_us + self.database_us

    @property
    def load_us(self) -> float | None:
        return self.cpu_us(lambda sample: sample.load_cpu_seconds)

    def to_json(self) -> dict[str, object]:
        return {
            "scenario": self.name,
            "users": self.users,
            "clients": self.clients,
            "events_per_second": _spread(self.rates),
            "p50_ms": _spread(self.p50s_ms),
            "p99_ms": _spread(self.p99s_ms),
            "web_cpu_us_per_event": _rounded(self.web_us),
            "database_cpu_us_per_event": _rounded(self.database_us),
            "load_cpu_us_per_event": _rounded(self.load_us),
        }


class Figures:
    """All of a run."""

    def __init__(self, figures: Iterable[Figure] = ()) -> None:
        self._figures = list(figures)

    def __iter__(self) -> Iterator[Figure]:
        return iter(self._figures)

    def add(self, figures: Iterable[Figure]) -> None:
        self._figures += figures

    def find(self, name: str, clients: int, users: str) -> Figure | None:
        wanted = (name, clients, users)
        return next((one for one in self._figures if (one.name, one.clients, one.users) == wanted), None)


def ratio(ours: Sequence[float] | None, theirs: Sequence[float] | None) -> Spread | None:
    """`ours` to `theirs`, round by round. None if one of them was not measured."""
    if not ours or not theirs:
        return None
    return Spread.of([one / other for one, other in zip(ours, theirs, strict=True)])


def cpu_ratio(one: Figure, other: Figure) -> float | None:
    """The servers' CPU time for an event, of `one` to `other`."""
    return one.servers_us / other.servers_us if one.servers_us and other.servers_us else None


def _spread(values: Sequence[float]) -> dict[str, float]:
    spread = Spread.of(values)
    return {"median": round(spread.median, 3), "least": round(spread.least, 3), "most": round(spread.most, 3)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
