"""The figures for people."""

from collections.abc import Iterator, Mapping, Sequence

from tests.benchmarks.figures import Figure, Figures, cpu_ratio, ratio
from tests.benchmarks.growth import SMALLEST
from tests.benchmarks.links import Links
from tests.benchmarks.resets import Resets
from tests.benchmarks.samples import Spread
from tests.benchmarks.scenarios import DISTINCT
from tests.benchmarks.targets import Target

_COMPARED = {"of echo": "echo", "of pgbench": "pgbench", "of FastAPI": "fastapi"}


def block(figures: Figures, clients: int) -> Iterator[str]:
    """The lines for one number of clients."""
    yield _head("1 client" if clients == 1 else f"{clients} clients", "users", _COMPARED)
    for figure in figures:
        if figure.clients == clients:
            yield _line(figure, figure.label, figure.users) + "".join(_ratios(figures, figure))


def growth_block(growth: Mapping[str, Mapping[int, Figure]]) -> Iterator[str]:
    """For each scenario, its figures by the power of ten of the ledger's length; time and CPU for a call, of the shortest's."""
    for by_power in growth.values():
        shortest = by_power[SMALLEST]
        yield _head(shortest.label, "ledger", ("time", "CPU"))
        for power, figure in by_power.items():
            time, cpu = ratio(shortest.rates, figure.rates), cpu_ratio(figure, shortest)
            yield _line(figure, "", f"10^{power}") + f"{_median(time):>12}{_number(cpu, 2):>12}"
        yield ""


def resets_block(resets: Resets) -> Iterator[str]:
    """Closing periods, and what recordUsage notices of it."""
    yield f"{f'{resets.counters:,} periods end':30}{'counters/s':>20}{'REST/s':>10}{'p50 ms':>9}{'p99 ms':>9}"
    yield f"{'bare UPDATE + INSERT':30}{resets.bare_per_second:>20,.0f}"
    yield f"{'two workers':30}{resets.closed_per_second:>20,.0f}"
    for words, rate, sample in (
        ("REST alone", None, resets.alone),
        ("two workers and REST", resets.closed_under_load_per_second, resets.meanwhile),
    ):
        closed = f"{rate:,.0f}" if rate else ""
        yield f"{words:30}{closed:>20}{sample.per_second:>10.0f}{sample.p50_ms:>9.2f}{sample.p99_ms:>9.2f}"


def links_block(links: Links) -> Iterator[str]:
    """Links to pay by, and the time from a payment to access."""
    yield f"{f'{links.clients} buyers at once':40}{'each/s':>10}{'p50 ms':>10}{'p99 ms':>10}"
    for words, sample in (
        ("sessions of the double alone", links.bare),
        ("links", links.made),
        ("from payment to access (a quarter)", links.settled),
    ):
        yield f"{words:40}{sample.per_second:>10.0f}{sample.p50_ms:>10.1f}{sample.p99_ms:>10.1f}"


def target_block(targets: Sequence[Target]) -> Iterator[str]:
    yield f"{'targets':40}{'wanted':>10}{'reached':>10}{'least':>8}{'most':>8}{'by CPU':>8}"
    for target in targets:
        wanted = f"{'≤' if target.is_ceiling else '≥'} {target.wanted:g}"
        if target.reached is None:
            yield f"{target.words:40}{wanted:>10}{'-':>10}"
            continue
        reached = target.reached
        yield (
            f"{target.words:40}{wanted:>10}{reached.median:>10.2f}{reached.least:>8.2f}{reached.most:>8.2f}"
            f"{_number(target.by_cpu, 2):>8}{'' if target.is_met else '   missed'}"
        )


def _head(first: str, second: str, ratios: Sequence[str] | Mapping[str, str]) -> str:
    figures = f"{'events/s':>10}{'least':>8}{'most':>8}{'p50 ms':>9}{'p99 ms':>9}{'web µs':>8}{'db µs':>8}"
    return f"{first:30}{second:>9}{figures}" + "".join(f"{words:>12}" for words in ratios)


def _line(figure: Figure, first: str, second: str) -> str:
    rate, p50, p99 = Spread.of(figure.rates), Spread.of(figure.p50s_ms).median, Spread.of(figure.p99s_ms).median
    return (
        f"{first:30}{second:>9}{rate.median:>10.0f}{rate.least:>8.0f}{rate.most:>8.0f}{p50:>9.2f}{p99:>9.2f}"
        f"{_number(figure.web_us):>8}{_number(figure.database_us):>8}"
    )


def _ratios(figures: Figures, figure: Figure) -> Iterator[str]:
    for name in _COMPARED.values():
        other = figures.find(name, figure.clients, DISTINCT if name == "echo" else figure.users)
        yield f"{_median(ratio(figure.rates, other.rates if other else None)):>12}"


def _median(spread: Spread | None) -> str:
    return _number(spread.median if spread else None, 2)


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
