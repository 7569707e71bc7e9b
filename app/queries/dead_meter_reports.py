"""Hours that a provider was not told of and will not be, of all tenants: an operator has to look."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

_DEAD_LETTERS = """
SELECT t.public_id, r.provider_subscription_id, p.id, f.id, r.starts_at, r.value, r.error
FROM meter_reports r
JOIN tenants t ON t.id = r.tenant_id
JOIN packages p ON p.tenant_id = r.tenant_id AND p.key = r.package_key
JOIN features f ON f.tenant_id = r.tenant_id AND f.key = r.feature_key
WHERE r.state = 'DEAD'
ORDER BY t.public_id, r.provider_subscription_id, r.package_key, r.feature_key, r.starts_at LIMIT %s
"""
_REVIVE = """
UPDATE meter_reports SET state = 'WAITING', next_attempt_at = %s
WHERE (tenant_id, provider_subscription_id, package_key, feature_key, starts_at, version) IN (
  SELECT tenant_id, provider_subscription_id, package_key, feature_key, starts_at, version FROM meter_reports
  WHERE state = 'DEAD' AND starts_at >= %s
  ORDER BY 1, 2, 3, 4, 5, 6 FOR UPDATE
)
"""

_FORGET = "UPDATE meter_reports SET state = 'SUPERSEDED' WHERE state = 'DEAD' AND starts_at < %s"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An hour that the provider was not told of, and why."""

    app_id: str
    provider_subscription_id: str
    package_id: str
    feature_id: str
    starts_at: datetime
    value: int
    error: str | None


def dead_letters(session: Session, limit: int) -> list[DeadLetter]:
    """Hours that nobody tells the provider of any more."""
    return [DeadLetter(*row) for row in session.connection().exec_driver_sql(_DEAD_LETTERS, (limit,))]


def revive(session: Session, since: datetime, now: datetime) -> int:
    """Have those sent again that are of an hour since then; how many."""
    return session.connection().exec_driver_sql(_REVIVE, (now, since)).rowcount


def forget(session: Session, before: datetime) -> int:
    """What was given up of hours before then is settled in another way; how many."""
    return session.connection().exec_driver_sql(_FORGET, (before,)).rowcount
