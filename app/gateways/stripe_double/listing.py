"""Lists: newest first, a page at a time."""

from collections.abc import Callable, Iterable
from typing import Any

from app.gateways.stripe_double.parameters import in_range
from app.gateways.stripe_double.problems import bad_parameter, no_such
from app.gateways.stripe_double.state import Json

_LARGEST, _USUAL = 100, 10


def page(found: Iterable[Json], asked: dict[str, Any], url: str, fits: Callable[[Json], bool] = lambda _: True) -> Json:
    """The page that the cursor and the limit of a call choose out of those that fit. `found` is oldest first, and whole: a cursor
    counts also when its object does not fit any more. `created` is heeded if it was asked for.
    """
    limit = asked.get("limit", _USUAL)
    if not 1 <= limit <= _LARGEST:
        raise bad_parameter(f"Limit must be between 1 and {_LARGEST}", "limit", "parameter_invalid_integer")
    backwards = "ending_before" in asked
    fitting = [each for each in _behind_cursor(list(found)[::-1], asked) if fits(each) and _in_time(each, asked)]
    chosen = fitting[-limit:] if backwards else fitting[:limit]
    return listed(chosen, url, has_more=len(fitting) > limit)


def listed(items: list[Json], url: str, *, has_more: bool = False) -> Json:
    """A list object."""
    return {"object": "list", "data": items, "has_more": has_more, "url": url}


def _behind_cursor(newest_first: list[Json], asked: dict[str, Any]) -> list[Json]:
    if "ending_before" in asked:
        return newest_first[: _place(newest_first, asked, "ending_before")]
    if "starting_after" in asked:
        return newest_first[_place(newest_first, asked, "starting_after") + 1 :]
    return newest_first


def _place(items: list[Json], asked: dict[str, Any], cursor: str) -> int:
    for place, each in enumerate(items):
        if each["id"] == asked[cursor]:
            return place
    raise no_such("object", asked[cursor], cursor)


def _in_time(it: Json, asked: dict[str, Any]) -> bool:
    return "created" not in asked or in_range(it["created"], asked["created"])
