"""Parameters as Stripe takes them: `a[b][0][c]=d`, in bodies and in query strings."""

import re
from typing import Any
from urllib.parse import parse_qsl

from app.gateways.stripe_double.problems import ProblemError

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_DEPTH = 8


def parsed(text: str) -> dict[str, Any]:
    """Nested dicts, lists and texts. Raises ProblemError."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        parts = _NAME.fullmatch(name)
        if parts is None or parts[2].count("[") > _DEPTH:
            raise ProblemError(f"Invalid parameter name: {name}")
        _put(found, [parts[1], *re.findall(r"\[([^\[\]]*)\]", parts[2])], value, name)
    return {name: _with_lists(value) for name, value in found.items()}


def _put(place: dict[str, Any], path: list[str], value: str, name: str) -> None:
    for step in path[:-1]:
        place = place.setdefault(step or str(len(place)), {})
        if not isinstance(place, dict):
            raise ProblemError(f"Invalid parameter: {name}")
    place[path[-1] or str(len(place))] = value


def _with_lists(value: Any) -> Any:
    """A dict whose names are the numbers from 0 on was a list."""
    if not isinstance(value, dict):
        return value
    inner = {name: _with_lists(each) for name, each in value.items()}
    if inner and all(name.isdecimal() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
