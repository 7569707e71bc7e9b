"""Many users at once: a shop's test makes one by one those it speaks of, this makes ten thousand in a second."""

import psycopg

from tests.races.books import Books

_CROWD = """
WITH made AS (
  INSERT INTO users (tenant_id, id, created_at, updated_at)
  SELECT %(tenant)s, %(package)s || '-user-' || n, now(), now() FROM generate_series(1, %(count)s) AS n
  RETURNING tenant_id, key, id
), subscribed AS (
  INSERT INTO subscriptions (tenant_id, user_key, package_key, status, started_at, created_at, updated_at)
  SELECT made.tenant_id, made.key, p.key, 'ACTIVE', %(since)s::timestamptz, now(), now()
  FROM made JOIN packages p ON p.tenant_id = made.tenant_id AND p.id = %(package)s
)
SELECT id FROM made
"""


def make_crowd(books: Books, package_id: str, count: int, *, days_ago: int = 0) -> list[str]:
    """The ids of new users who have had the package for so many days."""
    with psycopg.connect(books.database_url) as connection:
        (since,) = connection.execute("SELECT now() - make_interval(days => %s)", (days_ago,)).fetchone() or (None,)
        named = {"tenant": books.tenant_id, "count": count, "package": package_id, "since": since}
        return [user_id for (user_id,) in connection.execute(_CROWD, named)]
