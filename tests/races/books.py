"""What the database says, read by plain SQL: none of the code that wrote it is asked."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the ledger."""

    id: int
    action: str
    delta: int
    applied: int
    recorded: bool
    used_after: int | None
    idempotency_key: str | None


class Books:
    """Counters, ledger and subscriptions of one tenant."""

    def __init__(self, database_url: str, tenant_id: int) -> None:
        self.database_url = database_url
        self.tenant_id = tenant_id

    def events(self, user_id: str) -> list[Event]:
        """All of a user's events, oldest first."""
        with psycopg.connect(self.database_url) as connection:
            return (
                connection.cursor(row_factory=class_row(Event))
                .execute(
                    """SELECT e.id, action, delta, applied, recorded, used_after, idempotency_key FROM usage_events e
                    JOIN users u ON u.tenant_id = e.tenant_id AND u.key = e.user_key
                    WHERE e.tenant_id = %s AND u.id = %s ORDER BY e.id""",
                    (self.tenant_id, user_id),
                )
                .fetchall()
            )

    def outcomes(self) -> dict[str, bool]:
        """By event id, whether it was recorded."""
        with psycopg.connect(self.database_url) as connection:
            found = connection.execute(
                "SELECT id, recorded FROM usage_events WHERE tenant_id = %s", (self.tenant_id,)
            ).fetchall()
        return {str(event_id): recorded for event_id, recorded in found}

    def used(self, user_id: str) -> int:
        """What the counters say, all features together; by that the ledger says the same is asserted on the way."""
        with psycopg.connect(self.database_url) as connection:
            (counted,) = connection.execute(
                """SELECT coalesce(sum(used), 0)::bigint FROM consumptions c
                JOIN users u ON u.tenant_id = c.tenant_id AND u.key = c.user_key
                WHERE c.tenant_id = %s AND u.id = %s""",
                (self.tenant_id, user_id),
            ).fetchone() or (0,)
        assert sum(event.applied for event in self.events(user_id) if event.recorded) == counted
        return int(counted)

    def totals_by_user(self) -> dict[str, tuple[int, int]]:
        """(what the counters say, what the ledger says), for each user who has any."""
        with psycopg.connect(self.database_url) as connection:
            rows = connection.execute(
                """SELECT u.id, c.used, (SELECT sum(applied) FROM usage_events e
                  WHERE e.tenant_id = c.tenant_id AND e.user_key = c.user_key AND e.feature_key = c.feature_key)::bigint
                FROM consumptions c JOIN users u ON u.tenant_id = c.tenant_id AND u.key = c.user_key
                WHERE c.tenant_id = %s""",
                (self.tenant_id,),
            ).fetchall()
        return {user_id: (counted, booked) for user_id, counted, booked in rows}

    def live_packages(self, user_id: str) -> list[tuple[str, bool]]:
        """(package id, whether it is an add-on) of what a user has now, sorted."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(
                """SELECT p.id, p.is_addon FROM subscriptions s
                JOIN users u ON u.tenant_id = s.tenant_id AND u.key = s.user_key
                JOIN packages p ON p.tenant_id = s.tenant_id AND p.key = s.package_key
                WHERE s.tenant_id = %s AND u.id = %s AND s.status = 'ACTIVE' AND (s.ends_at IS NULL OR s.ends_at > now())
                ORDER BY p.id""",
                (self.tenant_id, user_id),
            ).fetchall()

    def updated_at(self, package_id: str) -> datetime:
        """When a package was last changed."""
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(
                "SELECT updated_at FROM packages WHERE tenant_id = %s AND id = %s", (self.tenant_id, package_id)
            ).fetchone()
        assert row is not None
        moment: datetime = row[0]
        return moment

    def starts_of(self, package_id: str) -> list[datetime]:
        """When each subscription to a package started."""
        with psycopg.connect(self.database_url) as connection:
            return [
                started_at
                for (started_at,) in connection.execute(
                    """SELECT s.started_at FROM subscriptions s
                    JOIN packages p ON p.tenant_id = s.tenant_id AND p.key = s.package_key
                    WHERE s.tenant_id = %s AND p.id = %s ORDER BY 1""",
                    (self.tenant_id, package_id),
                )
            ]
