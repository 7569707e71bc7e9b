"""What several resolvers do with their arguments."""

from collections.abc import Callable
from typing import Any, TypeVar

from app.contract.shapes import ENDLESS_LIST_DEFAULT, WHOLE_LIST_MAX, Page, PageRequest
from app.domain.values import check_range
from app.edge.threads import in_thread
from app.errors import InvalidInputError

V = TypeVar("V")


async def listed(read: Callable[[PageRequest], Page[V]], arguments: dict[str, Any]) -> list[V]:
    """A list by `first` and `after`, or whole without them.

    Raises:
        InvalidInputError: `first` out of range, an unknown `after`, or a list too long to come whole. Cut short in silence, it
            would look complete.
    """
    page = await _page(read, arguments, without_first=WHOLE_LIST_MAX)
    if arguments.get("first") is None and page.has_more:
        raise InvalidInputError(
            "first", f"the list has more than {WHOLE_LIST_MAX} entries: ask for pages, with first and after"
        )
    return page.data


async def newest(read: Callable[[PageRequest], Page[V]], arguments: dict[str, Any]) -> list[V]:
    """The newest of a list that nobody expects whole: as many as `first` says, or 100.

    Raises:
        InvalidInputError: `first` out of range, or an unknown `after`.
    """
    return (await _page(read, arguments, without_first=ENDLESS_LIST_DEFAULT)).data


async def _page(read: Callable[[PageRequest], Page[V]], arguments: dict[str, Any], *, without_first: int) -> Page[V]:
    first = arguments.get("first")
    if first is not None:
        check_range("first", first, at_least=1, at_most=WHOLE_LIST_MAX)
    request = PageRequest(limit=first or without_first, starting_after=arguments.get("after"), limit_max=WHOLE_LIST_MAX)
    try:
        return await in_thread(read, request)
    except InvalidInputError as refusal:
        raise InvalidInputError(
            "after" if refusal.field == "startingAfter" else refusal.field, refusal.problem
        ) from None


def given(arguments: dict[str, Any]) -> dict[str, Any]:
    """What was given. The schema allows `delta: null`, which typed clients send for what they leave out: the default."""
    return {name: value for name, value in arguments.items() if value is not None}


def id_and_changes(arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The id of what should be updated, from the argument or from `input.id`, and the changes without it.

    Raises:
        InvalidInputError: there is no id, or there are two that differ.
    """
    changes = dict(arguments["input"])
    inner = changes.pop("id", None)
    outer = arguments.get("id")
    identifier = inner if outer is None else outer
    if identifier is None:
        raise InvalidInputError("id", "is required: say which one to update")
    if inner not in (None, identifier):
        raise InvalidInputError("input.id", "differs from the argument id; the id itself cannot be changed")
    return identifier, changes
