"""What an import made of one thing at Stripe."""

from dataclasses import dataclass
from enum import StrEnum


class Became(StrEnum):
    """In words, for operators."""

    MAPPED = "mapped"
    MAPPED_NOW = "mapped now"
    NOT_MAPPED = "not mapped"
    NEW = "new"
    LINKED = "linked"
    KNOWN = "known"
    KEPT = "kept"
    COPIED = "copied"
    SAME = "same"
    NOT_COPIED = "not copied"
    OTHERS = "another's"


@dataclass(frozen=True, slots=True)
class Imported:
    """A price, customer or subscription, and what became of it. `why`: what an operator should know of it; None: nothing.

    `is_left`: somebody has, or pays for, what we do not give them.
    """

    id: str
    became: Became
    why: str | None = None
    is_left: bool = False
