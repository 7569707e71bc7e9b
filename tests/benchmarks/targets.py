"""What Meterline wants to reach, and what this run reached. Ratios alone: they hold on any machine, rates do not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.figures import Figure, Figures, cpu_ratio, ratio
from tests.benchmarks.growth import SMALLEST
from tests.benchmarks.links import Links
from tests.benchmarks.resets import Resets
from tests.benchmarks.samples import Spread
from tests.benchmarks.scenarios import DISTINCT, HOT

CLIENTS = 64


@dataclass(frozen=True, slots=True)
class Target:
    """`reached` is None when this run did not measure it."""

    words: str
    wanted: float
    reached: Spread | None
    by_cpu: float | None = None
    """The same ratio if each side had the servers' CPU time alone to wait for."""
    is_ceiling: bool = False
    """Whether less is better."""

    @property
    def is_met(self) -> bool | None:
        if self.reached is None:
            return None
        return self.reached.median <= self.wanted if self.is_ceiling else self.reached.median >= self.wanted


def targets(
    figures: Figures, growth: Mapping[int, Figure], resets: Resets | None = None, links: Links | None = None
) -> list[Target]:
    """`growth` by the power of ten of the ledger's length."""

    def at_64(name: str, users: str = DISTINCT) -> Figure | None:
        return figures.find(name, CLIENTS, users)

    rest = at_64("rest")
    lone, their_lone = (figures.find(name, 1, DISTINCT) for name in ("rest", "fastapi"))
    return [
        _throughput("REST : typed echo", 0.65, rest, at_64("echo")),
        _throughput("REST : FastAPI + SQLAlchemy", 8, rest, at_64("fastapi")),
        _throughput("GraphQL : REST", 0.7, at_64("graphql"), rest),
        _throughput("GraphQL : Strawberry + SQLAlchemy", 5, at_64("graphql"), at_64("strawberry")),
        _throughput("batch of 100 : REST, in events", 8, at_64("batch"), rest),
        _throughput("REST, one user : distinct users", 0.5, at_64("rest", HOT), rest),
        Target("REST, p99 : p50", 4, ratio(_p99s(rest), _p50s(rest)), is_ceiling=True),
        Target("a lone client's p50, REST : FastAPI", 1.5, ratio(_p50s(lone), _p50s(their_lone)), is_ceiling=True),
        *_resets(resets),
        _links(links),
        _growth(growth),
    ]


def _throughput(words: str, wanted: float, ours: Figure | None, theirs: Figure | None) -> Target:
    if ours is None or theirs is None:
        return Target(words, wanted, None)
    return Target(words, wanted, ratio(ours.rates, theirs.rates), cpu_ratio(theirs, ours))


def _growth(by_power: Mapping[int, Figure]) -> Target:
    longest, wanted = max(by_power, default=7), 1.15
    words = f"cost of a call, 10^{longest} : 10^{SMALLEST} events"
    if not by_power:
        return Target(words, wanted, None, is_ceiling=True)
    grown, small = by_power[longest], by_power[SMALLEST]
    # Seconds for each call, hence the smallest's rate on top.
    return Target(words, wanted, ratio(small.rates, grown.rates), cpu_ratio(grown, small), is_ceiling=True)


def _resets(resets: Resets | None) -> list[Target]:
    words = "periods closed : bare UPDATE + INSERT", "p99 of REST while closing : alone"
    if resets is None:
        return [Target(words[0], 0.5, None), Target(words[1], 3, None, is_ceiling=True)]
    return [
        Target(words[0], 0.5, Spread.of([resets.closed_per_second / resets.bare_per_second])),
        Target(words[1], 3, Spread.of([resets.meanwhile.p99_ms / resets.alone.p99_ms]), is_ceiling=True),
    ]


def _links(links: Links | None) -> Target:
    reached = None if links is None else Spread.of([links.made.per_second / links.bare.per_second])
    return Target("links : sessions of the double alone", 0.5, reached)


def _p50s(figure: Figure | None) -> Sequence[float] | None:
    return figure.p50s_ms if figure else None


def _p99s(figure: Figure | None) -> Sequence[float] | None:
    return figure.p99s_ms if figure else None
