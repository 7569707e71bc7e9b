"""The one way to the database: what its errors tell, and to whom."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError

from app.db import transaction


def test_an_error_of_the_database_does_not_repeat_what_was_sent(product: str) -> None:
    with pytest.raises(DataError, match="division by zero") as raised, transaction() as session:
        session.connection().execute(text("SELECT 1/0 WHERE :email <> ''"), {"email": "ada@example.com"})

    # Its text is what the log line of a fault holds.
    assert "ada@example.com" not in str(raised.value)
