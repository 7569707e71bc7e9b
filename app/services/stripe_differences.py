"""Where we and Stripe do not agree: one shape for everything that compares, and how it is told in the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

log = structlog.get_logger(__name__)

_LOGGED_MAX = 20


class Outcome(StrEnum):
    """FOUND: nobody asked for a repair. LEFT: somebody must look."""

    FOUND = "found"
    REPAIRED = "repaired"
    LEFT = "left"

    @property
    def is_left(self) -> bool:
        """Whether we still do not agree."""
        return self is not Outcome.REPAIRED


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` in words, of the object of Stripe's with this id, for this tenant; what we say of it, and what Stripe says."""

    what: str
    app_id: str | None
    object_id: str
    ours: str
    stripes: str
    outcome: Outcome


def log_differences(found: Sequence[Difference]) -> None:
    """The first of them, by ids only: `meterline stripe reconcile` says the rest."""
    for one in found[:_LOGGED_MAX]:
        write = log.error if one.outcome.is_left else log.warning
        write("stripe.difference", what=one.what, app_id=one.app_id, object_id=one.object_id, outcome=one.outcome.value)
    if len(found) > _LOGGED_MAX:
        log.error("stripe.more_differences", differences=len(found), logged=_LOGGED_MAX)
