"""Which of Stripe's events are wanted: what is taken in, what is asked for, and what operators are told to have sent."""

import re
from pathlib import Path

from app.domain.stripe_events import LISTED_EVENTS, WANTED_EVENTS, groups

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def test_operators_are_told_of_each_event_that_says_something_to_us() -> None:
    _, _, after = _PAGE.read_text().partition("sent these events;")
    told, _, _ = after.partition("What is not sent")
    named: list[str] = []
    for name in re.findall(r"`([a-z_.]+)`", told):
        family = named[-1].rpartition(".")[0] if name.startswith(".") else ""
        named.append(f"{family}{name}")
    assert sorted(named) == sorted(LISTED_EVENTS)
    assert all(name in _PAGE.read_text() for name in WANTED_EVENTS if name not in LISTED_EVENTS)


def test_each_type_is_asked_for_once_in_lists_that_stripe_takes() -> None:
    lists = groups()
    assert [type_ for types in lists for type_ in types] == list(LISTED_EVENTS)
    assert all(len(types) <= 20 for types in lists)
