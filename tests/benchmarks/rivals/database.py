"""The rivals' database, with as many users as ours and the same limit."""

import hashlib
from typing import Final

from sqlalchemy import create_engine, insert, text

from tests.benchmarks.rivals.tables import ApiKey, Base
from tests.benchmarks.shop import FEATURE, LIMIT

SECRET_KEY: Final = "prv_test_of-the-rivals"

_COUNTERS = """
INSERT INTO counters (tenant_id, user_id, feature_id, used, budget, overage_enabled)
SELECT 1, 'u' || n, :feature, 0, :budget, false FROM generate_series(0, :users - 1) AS n
"""


def fill(database_url: str, users: int) -> None:
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        connection.execute(insert(ApiKey).values(digest=hashlib.sha256(SECRET_KEY.encode()).digest(), tenant_id=1))
        connection.execute(text(_COUNTERS), {"users": users, "feature": FEATURE, "budget": LIMIT})
    engine.dispose()
