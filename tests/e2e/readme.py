"""The README and other pages as a newcomer reads them: headings, and commands to paste."""

import json
import os
import re
import subprocess
from typing import Any

from tests.dev.starting import CHECKOUT


def section(heading: str, page: str = "README.md") -> str:
    """The text under a heading of the second level."""
    text = (CHECKOUT / page).read_text()
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no section {heading!r}"
    return found[1]


def fenced(text: str, language: str) -> list[str]:
    """The contents of its fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)


def paste(command: str, **variables: str) -> dict[str, Any]:
    """What the command answers in a newcomer's shell, where these variables are set."""
    shell = ["bash", "-c", command]
    done = subprocess.run(shell, check=True, capture_output=True, text=True, env={**os.environ, **variables})
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
