"""What goes wrong on the way to Stripe and inside it, when a test says so."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock


class FaultKind(StrEnum):
    # 500, and nothing was done or stored.
    ERROR = "error"
    # 500 that is kept under the idempotency key and repeated for a day; AFTER: what was asked was done all the same.
    STORED_ERROR = "stored_error"
    STORED_ERROR_AFTER = "stored_error_after"
    # The connection ends without an answer: before anything was done, or after.
    LOST_REQUEST = "lost_request"
    LOST_ANSWER = "lost_answer"
    RATE_LIMIT = "rate_limit"
    # Another request with this idempotency key is under way.
    CONFLICT = "conflict"
    # Something in front of Stripe answers, in HTML, or with 200 and not in JSON.
    BAD_GATEWAY = "bad_gateway"
    NOT_JSON = "not_json"
    # It takes `seconds`: before anything is looked at, or while it is done.
    SLOW = "slow"
    SLOW_INSIDE = "slow_inside"


@dataclass(slots=True)
class Fault:
    """Falls on the next `times` requests that begin with `match`, such as `POST /v1/checkout`; with a rate below 1 by chance."""

    kind: FaultKind
    match: str = ""
    times: int = 1
    seconds: float = 0.0
    rate: float = 1.0


@dataclass(slots=True)
class Faults:
    """Those that are waiting for their request. `limit_per_second`: more requests than that get 429; 0 for no limit."""

    waiting: list[Fault] = field(default_factory=list)
    down: bool = False
    limit_per_second: int = 0
    clock: Callable[[], float] = time.monotonic
    _tokens: float = 0.0
    _filled_at: float = 0.0
    _lock: Lock = field(default_factory=Lock)
    _chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 — it chooses which test requests fail

    def add(self, fault: Fault) -> None:
        """Wait for its requests."""
        with self._lock:
            self.waiting.append(fault)

    def clear(self) -> None:
        """All is well again."""
        with self._lock:
            self.waiting.clear()
            self.down, self.limit_per_second = False, 0

    def limit(self, per_second: int) -> None:
        """Allow so many requests a second, and as many at once."""
        with self._lock:
            self.limit_per_second, self._tokens, self._filled_at = per_second, float(per_second), self.clock()

    def fallen_on(self, method: str, path: str) -> Fault | None:
        """The fault that falls on a request."""
        with self._lock:
            for each in self.waiting:
                if f"{method} {path}".startswith(each.match) and self._chance.random() < each.rate:
                    each.times -= 1
                    if each.times == 0:
                        self.waiting.remove(each)
                    return each
        return None

    def over_limit(self) -> bool:
        """Whether a request is one too many for this second."""
        with self._lock:
            if not self.limit_per_second:
                return False
            now = self.clock()
            filled = self._tokens + (now - self._filled_at) * self.limit_per_second
            self._tokens, self._filled_at = min(float(self.limit_per_second), filled), now
            if self._tokens < 1:
                return True
            self._tokens -= 1
            return False
