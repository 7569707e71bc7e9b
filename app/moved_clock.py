"""A clock for tests and development that several processes share: it says another date, and may go faster."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_FORM = re.compile(r"(?P<shown>[^@*]+)@(?P<real>[^@*]+)(\*(?P<rate>[0-9.]+))?")


@dataclass(frozen=True, slots=True)
class MovedClock:
    """The present is `shown` when it is really `real`, and goes on `rate` times as fast."""

    shown: datetime
    real: datetime
    rate: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "MovedClock":
        """`2026-01-31T23:59:00Z@2026-11-25T10:00:00Z*3600`: an hour a second. Raises ValueError."""
        parts = _FORM.fullmatch(text)
        if parts is None:
            raise ValueError("must be like 2026-01-31T23:59:00Z@2026-11-25T10:00:00Z*3600")
        shown, real = (datetime.fromisoformat(parts[name]).astimezone(UTC) for name in ("shown", "real"))
        return cls(shown, real, float(parts["rate"] or 1))

    def at(self, moment: datetime) -> datetime:
        """What it shows at a real moment."""
        return self.shown + (moment - self.real) * self.rate
