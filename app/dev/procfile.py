"""Read the Procfile as Heroku does, without a shell: words, and the variables that our lines use."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

_ENTRY = re.compile(r"(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>.+)")
_VARIABLE = re.compile(r"\$(?:(?P<plain>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\})")


class ProcfileError(Exception):
    """A line that this reader does not understand."""


def read_procfile(path: Path, environment: Mapping[str, str]) -> dict[str, list[str]]:
    """The program and arguments of each entry, with `$NAME`, `${NAME}` and `${NAME:-default}` replaced from `environment`.

    Raises:
        ProcfileError: a line is no entry.
    """
    entries = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        entry = _ENTRY.fullmatch(line.strip())
        if entry is None:
            raise ProcfileError(f"{path.name}, line {number}: expected `name: command`")
        entries[entry["name"]] = [_expanded(word, environment) for word in shlex.split(entry["command"])]
    return entries


def _expanded(word: str, environment: Mapping[str, str]) -> str:
    # As in a shell, `:-` also replaces an empty value, and an unknown name is empty.
    return _VARIABLE.sub(lambda name: environment.get(name["plain"] or name["braced"]) or name["default"] or "", word)
