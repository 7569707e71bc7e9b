"""The benchmark of the engine runs and tells its figures. How fast anything is, no test asks: machines are noisy."""

import json
from pathlib import Path

from click.testing import CliRunner

from tests.benchmarks.graphql_engine import REQUESTS, main


def test_each_request_is_measured_with_plans_and_without(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"

    result = CliRunner().invoke(main, ["--rounds", "3", "--json", str(path)], catch_exceptions=False)

    figures = json.loads(path.read_text())
    assert [figure["request"] for figure in figures] == [name for name, _, _ in REQUESTS]
    assert {name for name, _, _ in REQUESTS} <= {line[:42].strip() for line in result.output.splitlines()}
    assert all(figure["ratio"] == figure["plans_us"] / figure["library_us"] > 0 for figure in figures)
