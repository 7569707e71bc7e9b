"""`expand[]`: objects in the place of their ids."""

import copy
from typing import Any

from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.listing import listed
from app.gateways.stripe_double.problems import ProblemError
from app.gateways.stripe_double.state import Json

_DEEPEST = 4


def expanded(account: Account, answer: Json, paths: list[str]) -> Json:
    """A copy of an answer with what `paths` name put in, or the answer itself. Raises ProblemError."""
    answer = copy.deepcopy(answer) if paths else answer
    for path in paths:
        steps = path.split(".")
        if len(steps) > _DEEPEST:
            raise ProblemError(f"You cannot expand more than {_DEEPEST} levels of a property. Property: {path}")
        _expand(account, answer, steps, path)
    return answer


def _expand(account: Account, place: Any, steps: list[str], path: str) -> None:
    if isinstance(place, list):
        for each in place:
            _expand(account, each, steps, path)
        return
    if not steps or place is None:
        return
    name, *rest = steps
    if name == "line_items" and place.get("object") == "checkout.session":
        url = f"/v1/checkout/sessions/{place['id']}/line_items"
        place[name] = listed(copy.deepcopy(account.state.lines[place["id"]]), url)
    elif name not in place:
        raise ProblemError(f"This property cannot be expanded ({path}).", param="expand")
    elif isinstance(place[name], str):
        place[name] = _object(account, place[name], path)
    _expand(account, place[name], rest, path)


def _object(account: Account, object_id: str, path: str) -> Json:
    found = account.anything(object_id)
    if found is None:
        raise ProblemError(f"This property cannot be expanded ({path}).", param="expand")
    return copy.deepcopy(found)
