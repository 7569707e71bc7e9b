"""The benchmark of the engine runs, and its figures are what the plans are for."""

import json
from pathlib import Path

from click.testing import CliRunner

from tests.benchmarks.graphql_engine import REQUESTS, main


def test_a_known_document_costs_less_than_half_with_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"

    result = CliRunner().invoke(main, ["--rounds", "3", "--json", str(path)], catch_exceptions=False)

    figures = json.loads(path.read_text())
    assert [figure["request"] for figure in figures] == [name for name, _, _ in REQUESTS]
    assert {name for name, _, _ in REQUESTS} <= {line[:42].strip() for line in result.output.splitlines()}
    # A tenth, on a quiet machine.
    assert max(figure["ratio"] for figure in figures) < 0.5
