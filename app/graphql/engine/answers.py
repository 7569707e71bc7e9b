"""How large one answer may become."""

from contextvars import ContextVar
from typing import Any

from app.graphql.refusals import DocumentRefusedError


class AnswerSize:
    """What the lists of one answer hold so far. A field's list is counted before any of its entries is looked at."""

    def __init__(self, entries_allowed: int) -> None:
        self._entries_allowed = entries_allowed
        self._entries = 0

    def add(self, entries: int) -> None:
        self._entries += entries
        if self._entries > self._entries_allowed:
            raise DocumentRefusedError(
                f"The lists of the answer have more than {self._entries_allowed} entries together: "
                "ask for less at a time, with first and after"
            )


# Set around each execution.
current_answer: ContextVar[AnswerSize | None] = ContextVar("graphql_answer", default=None)


def counted(value: Any) -> Any:
    """What a field has resolved to. A list counts for the limit of the answer; DocumentRefusedError above it."""
    if isinstance(value, list) and (answer := current_answer.get()) is not None:
        answer.add(len(value))
    return value
