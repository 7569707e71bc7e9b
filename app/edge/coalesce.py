"""Group commit: calls that meet in this process are decided together, over both doors (see `app.edge.lanes`)."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

from app.contract.actors import Actor
from app.contract.usage import CheckAccess, Entitlement, RecordedUsage, RecordUsage
from app.edge.lanes import Lane
from app.edge.threads import PATIENCE_SECONDS
from app.errors import MeterlineError, OverloadedError
from app.services.entitlements import check_many
from app.services.usage import Call, record_unheld

# They stay for seconds, so they must not be all that the server has room for.
HELD_UP_MAX = 250

_Named = tuple[int, str, str]
"""A counter as calls name it: tenant id, user id, feature id."""


class UsageLanes:
    """Two lanes, so that a counter which somebody holds makes nobody wait who does not need it.

    A call whose counter is held goes to the second lane, and so do all later ones for the same counter, until one of them had it.
    """

    def __init__(
        self,
        record: Callable[[Sequence[Call]], Sequence[RecordedUsage | MeterlineError | None]] = record_unheld,
        *,
        held_up_max: int = HELD_UP_MAX,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._usual: Lane[Call, RecordedUsage | None] = Lane(record)
        self._held_up: Lane[Call, RecordedUsage | None] = Lane(record, waiting_max=held_up_max)
        self._patience_seconds = patience_seconds
        self._waiting_for: Counter[_Named] = Counter()

    async def record(self, call: Call) -> RecordedUsage:
        """Raises what `Lane.ask` raises; OverloadedError also when the counter was held for too long, and nothing was done."""
        actor, command = call
        counter = (actor.tenant_id, command.user_id, command.feature_id)
        if counter not in self._waiting_for:
            answer = await self._usual.ask(call)
            if answer is not None:
                return answer
        return await self._record_held_up(call, counter)

    async def _record_held_up(self, call: Call, counter: _Named) -> RecordedUsage:
        until = time.monotonic() + self._patience_seconds
        self._waiting_for[counter] += 1
        try:
            while (answer := await self._held_up.ask(call)) is None:
                if time.monotonic() >= until:
                    raise OverloadedError("Other calls hold the user's counter. Nothing was done; try again.")
            # It is free: who comes now need not stand behind those who wait for other counters.
            del self._waiting_for[counter]
            return answer
        finally:
            if self._waiting_for[counter] > 1:
                self._waiting_for[counter] -= 1
            else:
                del self._waiting_for[counter]


class _Lanes:
    """The lanes of one event loop. In a server there is one; tests have several."""

    def __init__(self) -> None:
        self.usage = UsageLanes()
        self.access: Lane[tuple[Actor, CheckAccess], Entitlement] = Lane(check_many)


_lanes: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lanes] = WeakKeyDictionary()


def _own_lanes() -> _Lanes:
    loop = asyncio.get_running_loop()
    lanes = _lanes.get(loop)
    if lanes is None:
        lanes = _lanes[loop] = _Lanes()
    return lanes


async def record_usage(actor: Actor, command: RecordUsage) -> RecordedUsage:
    """`services.usage.record_usage`, in one transaction with whatever else this process is asked for at the moment."""
    return await _own_lanes().usage.record((actor, command))


async def check_access(actor: Actor, command: CheckAccess) -> Entitlement:
    """`services.entitlements.check_access`, likewise. Sees every write that was acknowledged before, by any process."""
    return await _own_lanes().access.ask((actor, command))
