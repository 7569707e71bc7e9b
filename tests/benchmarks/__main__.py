"""Measure Meterline on this machine: real servers, one run, everything in turn; a table, and a JSON if you like.

What the rows mean, and how to read the ratios, is in docs/benchmarks.md. A whole run takes about ten minutes.
"""

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from tests.benchmarks import table
from tests.benchmarks.figures import Figure, Figures
from tests.benchmarks.growth import Grown, measure_growth
from tests.benchmarks.links import Links, measure_links
from tests.benchmarks.measures import interleaved
from tests.benchmarks.resets import Resets, measure_resets
from tests.benchmarks.samples import Sample
from tests.benchmarks.scenarios import KINDS, NAMES, Scenario, scenarios
from tests.benchmarks.servers import Servers
from tests.benchmarks.stage import Stage
from tests.benchmarks.targets import CLIENTS, Target, targets

GROWTH, RESETS, LINKS = "growth", "resets", "links"
BUYERS = 16


class Numbers(click.ParamType):
    """1,16,64"""

    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        if isinstance(value, list):
            return value
        try:
            return [int(number) for number in str(value).split(",") if number.strip()]
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 1,16,64", param, ctx)


@dataclass(frozen=True, slots=True)
class Options:
    seconds: float
    clients: list[int]
    users: int
    rounds: int
    names: list[str]
    powers: list[int]
    resets: int
    links: int


@click.command(help=__doc__)
@click.option("--seconds", default=1.0, show_default=True, help="How long one round of one scenario lasts.")
@click.option("--rounds", default=5, show_default=True, help="How often each is measured; medians are told.")
@click.option("--clients", type=Numbers(), default="1,16,64,256", show_default=True, help="How many clients at once.")
@click.option("--users", default=10_000, show_default=True, help="Users that the load is spread over.")
@click.option(
    "--only",
    type=click.Choice([*NAMES, GROWTH, RESETS, LINKS]),
    multiple=True,
    help="Measure this and nothing else. Can be given more than once.",
)
@click.option(
    "--growth",
    "powers",
    type=Numbers(),
    default="6",
    show_default=True,
    help="Lengths of the ledger, as powers of ten, each compared with 10^4. 7 takes minutes to fill; '' is none.",
)
@click.option(
    "--resets",
    default=1_000_000,
    show_default=True,
    help="Counters whose period ends in the same minute. A million take a minute to make; 0 is none.",
)
@click.option("--links", default=500, show_default=True, help="Links to pay by, each of which is paid on; 0 is none.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures here."
)
def main(
    seconds: float,
    rounds: int,
    clients: list[int],
    users: int,
    only: Sequence[str],
    powers: list[int],
    resets: int,
    links: int,
    json_path: Path | None,
) -> None:
    names = [name for name in NAMES if name in only or not only]
    options = Options(
        seconds,
        clients,
        users,
        rounds,
        names,
        powers if GROWTH in only or not only else [],
        resets if RESETS in only or not only else 0,
        links if LINKS in only or not only else 0,
    )
    with tempfile.TemporaryDirectory(prefix="meterline-bench-", ignore_cleanup_errors=True) as path:
        home = Path(path)
        home.chmod(0o711)  # root's Postgres is another user
        with Servers(home) as servers:
            figures = _measure(servers, options)
            growth = _measure_growth(servers, options)
            resets_found = _measure_resets(servers, options)
            links_found = _measure_links(servers, options)
    reached = targets(figures, growth.get("rest", {}), resets_found, links_found)
    _print(table.target_block(reached))
    if json_path:
        json_path.write_text(
            json.dumps(_as_json(options, figures, growth, resets_found, links_found, reached), indent=2) + "\n"
        )


def _measure(servers: Servers, options: Options) -> Figures:
    figures = Figures()
    if not options.names:
        return figures
    found = scenarios(Stage(servers, options.users), options.names, _say)
    for count in options.clients:
        measures = {number: scenario.measure for number, scenario in enumerate(found)}
        samples = interleaved(measures, rounds=options.rounds, clients=count, seconds=options.seconds, say=_say)
        figures.add(_figure(scenario, count, samples[number]) for number, scenario in enumerate(found))
        _print([*table.block(figures, count), ""])
    return figures


def _figure(scenario: Scenario, clients: int, samples: Sequence[Sample]) -> Figure:
    return Figure(scenario.name, scenario.users, scenario.label, clients, scenario.events, samples)


def _measure_growth(servers: Servers, options: Options) -> dict[str, dict[int, Figure]]:
    if not options.powers:
        return {}
    samples = measure_growth(
        servers,
        options.powers,
        options.users,
        rounds=options.rounds,
        clients=CLIENTS,
        seconds=options.seconds,
        say=_say,
    )
    growth: dict[str, dict[int, Figure]] = {}
    for (name, power), of_this in sorted(samples.items(), key=_by_power):
        figure = Figure(name, f"10^{power}", KINDS[name].label, CLIENTS, 1, of_this)
        growth.setdefault(name, {})[power] = figure
    _print(table.growth_block(growth))
    return growth


def _measure_resets(servers: Servers, options: Options) -> Resets | None:
    if not options.resets:
        return None
    resets = measure_resets(servers, options.resets, clients=CLIENTS, say=_say)
    _print([*table.resets_block(resets), ""])
    return resets


def _measure_links(servers: Servers, options: Options) -> Links | None:
    if not options.links:
        return None
    links = measure_links(servers, options.links, clients=BUYERS, say=_say)
    _print([*table.links_block(links), ""])
    return links


def _by_power(grown: tuple[Grown, Sequence[Sample]]) -> int:
    return grown[0][1]


def _as_json(
    options: Options,
    figures: Figures,
    growth: dict[str, dict[int, Figure]],
    resets: Resets | None,
    links: Links | None,
    reached: Sequence[Target],
) -> dict[str, object]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "options": {"seconds": options.seconds, "rounds": options.rounds, "users": options.users},
        "figures": [figure.to_json() for figure in figures],
        "growth": [
            figure.to_json() | {"ledger": 10**power}
            for by_power in growth.values()
            for power, figure in by_power.items()
        ],
        "resets": resets.to_json() if resets else None,
        "links": links.to_json() if links else None,
        "targets": [_target_as_json(target) for target in reached],
    }


def _target_as_json(target: Target) -> dict[str, object]:
    return {
        "target": target.words,
        "wanted": target.wanted,
        "is_ceiling": target.is_ceiling,
        "reached": None if target.reached is None else round(target.reached.median, 3),
        "is_met": target.is_met,
    }


def _say(progress: str) -> None:
    click.echo(progress, err=True)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
