"""What is kept of the plans of a document."""

from collections.abc import Hashable

from app.graphql.engine.fast.selections import Selection

# Two plans of the size that the gate lets through, or dozens of the usual one. A planned field takes some 350 bytes.
_FIELDS_KEPT = 500


class Plans:
    """A plan for each operation and each set of values of the variables in its conditions, the oldest dropped first when they
    hold too many fields together.
    """

    def __init__(self) -> None:
        self._plans: dict[Hashable, tuple[Selection, int]] = {}
        self._fields = 0

    def get(self, key: Hashable) -> Selection | None:
        known = self._plans.get(key)
        return known[0] if known else None

    def put(self, key: Hashable, selection: Selection, fields: int) -> None:
        """`fields` is the number of all fields in the plan."""
        self._plans[key] = (selection, fields)
        self._fields += fields
        while self._fields > _FIELDS_KEPT and len(self._plans) > 1:
            _, dropped = self._plans.pop(next(iter(self._plans)))
            self._fields -= dropped
