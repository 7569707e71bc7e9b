"""`make bench` from end to end, for a moment: that it runs, not how fast anything is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dev.starting import CHECKOUT


@pytest.mark.processes
def test_a_short_run_writes_figures_growth_resets_links_and_targets(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    load = ["--seconds", "0.1", "--rounds", "2", "--clients", "2", "--users", "20", "--growth", "4"]
    load += ["--resets", "3000", "--links", "20"]
    chosen = [word for name in ("rest", "pgbench", "growth", "resets", "links") for word in ("--only", name)]

    ended = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *load, *chosen, "--json", str(written)],
        cwd=CHECKOUT,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    figures = json.loads(written.read_text())
    assert [(row["scenario"], row["users"], row["clients"]) for row in figures["figures"]] == [
        ("rest", "distinct", 2),
        ("rest", "one", 2),
        ("pgbench", "distinct", 2),
        ("pgbench", "one", 2),
    ]
    assert all(row["events_per_second"]["least"] > 0 for row in figures["figures"])
    assert [(row["scenario"], row["ledger"]) for row in figures["growth"]] == [("rest", 10_000), ("rest-keys", 10_000)]
    assert figures["resets"]["counters"] == 3000
    assert all(figure > 0 for figure in figures["resets"].values())
    assert all(figure > 0 for figure in figures["links"].values())
    # Everything else that a target needs was not asked for.
    assert {row["target"] for row in figures["targets"] if row["reached"] is not None} == {
        "cost of a call, 10^4 : 10^4 events",
        "periods closed : bare UPDATE + INSERT",
        "p99 of REST while closing : alone",
        "links : sessions of the double alone",
    }
    assert "REST recordUsage" in ended.stdout
