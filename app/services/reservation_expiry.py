"""Reservations that nobody settled in time are marked.

Nobody waits for it: past its `expires_at` a reservation holds nothing, whatever its status says. It keeps the list of those that
are HELD short.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from app import jobs
from app.queries.reservations import Expired, expire, locked_expired
from app.services import sweeps
from app.services.sweeps import Sweep, Swept

# Whoever counts usage goes around counters that are held, at a price: fewer at a time, and each for a moment only.
_BATCH = 200


def expire_due() -> Swept:
    """Mark what has expired, for a few seconds; call again while there is `more`. Any number at once share the work.

    Raises:
        OverloadedError: the database is busy or away. What was done stays done.
    """
    return sweeps.run(
        Sweep(
            job=jobs.EXPIRE_RESERVATIONS,
            due=locked_expired,
            handle=_expire,
            id_of=lambda expired: str(expired.id),
            batch=_BATCH,
        )
    )


def _expire(session: Session, expired: Sequence[Expired], _now: datetime) -> None:
    expire(session, expired[0].tenant_id, [one.id for one in expired])
