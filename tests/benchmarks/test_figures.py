"""What is made of the rounds: ratios between neighbours, and whether a target is met."""

import pytest

from tests.benchmarks.figures import Figure, Figures, ratio
from tests.benchmarks.samples import Sample, Spread
from tests.benchmarks.targets import targets


def sample(per_second: float, *, p50_ms: float = 10.0, p99_ms: float = 30.0) -> Sample:
    return Sample(int(per_second), 1.0, p50_ms, p99_ms, web_cpu_seconds=0.5, database_cpu_seconds=0.25)


def figure(name: str, *rates: float, clients: int = 64, users: str = "distinct", events: int = 1) -> Figure:
    return Figure(name, users, name, clients, events, [sample(rate) for rate in rates])


def test_a_ratio_compares_the_rounds_and_not_the_medians() -> None:
    # The machine was slow in the second round for both, and in the third for one.
    assert ratio([100, 20, 90], [50, 10, 90]) == Spread(median=2.0, least=1.0, most=2.0)


def test_what_was_not_measured_has_no_ratio() -> None:
    assert ratio([100], None) is None
    assert ratio([], [100]) is None


def test_events_are_counted_and_not_requests() -> None:
    batches = figure("batch", 10, 20, events=100)

    assert batches.rates == [1000, 2000]
    assert batches.web_us == pytest.approx(1e6 * 1.0 / 3000)


def test_a_target_says_what_was_reached_and_whether_it_is_met() -> None:
    figures = Figures([figure("rest", 750, 600), figure("echo", 1000, 1000), figure("rest", 100, 100, users="one")])

    reached = {target.words: target for target in targets(figures, {})}

    assert reached["REST : typed echo"].reached == Spread(median=0.675, least=0.6, most=0.75)
    assert reached["REST : typed echo"].is_met is True
    assert reached["REST, one user : distinct users"].is_met is False
    assert reached["REST, p99 : p50"].reached == Spread(3.0, 3.0, 3.0)
    assert reached["REST, p99 : p50"].is_met is True
    assert reached["GraphQL : REST"].is_met is None


def test_growth_is_the_time_that_a_call_takes_with_the_longest_ledger() -> None:
    growth = {4: figure("rest", 1000, 1000), 6: figure("rest", 900, 900), 7: figure("rest", 500, 500)}

    grown = targets(Figures(), growth)[-1]

    assert grown.words == "cost of a call, 10^7 : 10^4 events"
    assert grown.reached == Spread(2.0, 2.0, 2.0)
    assert grown.by_cpu == pytest.approx(2.0)
    assert grown.is_met is False
