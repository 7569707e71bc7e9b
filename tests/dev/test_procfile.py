"""Procfile lines are read as Heroku's shell would."""

from pathlib import Path

import pytest

from app.dev.procfile import ProcfileError, read_procfile
from tests.dev.starting import CHECKOUT


@pytest.mark.parametrize(
    ("line", "environment", "words"),
    [
        ("web: serve --port $PORT", {"PORT": "8000"}, ["serve", "--port", "8000"]),
        ("web: serve ${PORT}x", {"PORT": "8000"}, ["serve", "8000x"]),
        ("web: serve ${MANY:-1}", {}, ["serve", "1"]),
        ("web: serve ${MANY:-1}", {"MANY": ""}, ["serve", "1"]),
        ("web: serve ${MANY:-1}", {"MANY": "4"}, ["serve", "4"]),
        ("web: serve 'one word'", {}, ["serve", "one word"]),
        ("web: serve $NAME", {"NAME": "one word"}, ["serve", "one word"]),
    ],
)
def test_words_and_variables(tmp_path: Path, line: str, environment: dict[str, str], words: list[str]) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text(f"# a comment\n\n{line}\n")

    assert read_procfile(procfile, environment) == {"web": words}


def test_a_line_that_is_no_entry_is_refused_by_number(tmp_path: Path) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text("web: serve\nnonsense\n")

    with pytest.raises(ProcfileError, match="line 2"):
        read_procfile(procfile, {})


def test_ours_has_the_four_entries_and_web_listens_on_the_port_it_is_given() -> None:
    entries = read_procfile(CHECKOUT / "Procfile", {"PORT": "5123"})

    assert list(entries) == ["release", "web", "worker", "beat"]
    assert entries["web"][entries["web"].index("--port") + 1] == "5123"
    assert entries["web"][entries["web"].index("--workers") + 1] == "1"
