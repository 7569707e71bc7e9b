"""The README as a newcomer reads it: headings, and commands to paste."""

import re

from tests.dev.starting import CHECKOUT

_README = CHECKOUT / "README.md"


def section(heading: str) -> str:
    """The text under a heading of the second level."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", _README.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"the README has no section {heading!r}"
    return found[1]


def fenced(text: str, language: str) -> list[str]:
    """The contents of its fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
