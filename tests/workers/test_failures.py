"""A job that fails in a real worker: what its log and its row tell of it."""

import pytest

from app import jobs
from tests.tenants import Tenant
from tests.workers.stage import Stage

pytestmark = pytest.mark.processes

# Whatever is noted of the books is about somebody whose address is there already.
_UNLUCKY = """
CREATE TABLE members (email text PRIMARY KEY);
INSERT INTO members VALUES ('ada@example.com');
CREATE FUNCTION unlucky() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO members VALUES ('ada@example.com'); RETURN NEW; END $$;
CREATE TRIGGER unlucky BEFORE INSERT ON books_checks FOR EACH ROW EXECUTE FUNCTION unlucky();
"""


def test_neither_the_log_nor_the_row_has_what_the_database_says_of_a_row(stage: Stage, shop: Tenant) -> None:
    stage.execute(_UNLUCKY)
    stage.start("worker", with_rows=False)
    jobs.send(jobs.CHECK_BOOKS_OF, shop.actor.app_id)

    stage.until(lambda: stage.ask("SELECT error FROM job_runs") is not None)
    stage.until(lambda: "raised unexpected" in stage.log.getvalue())
    stage.until(lambda: "(sqlstate 23505" in stage.log.getvalue())
    assert stage.ask("SELECT error FROM job_runs") == (
        'IntegrityError: UniqueViolation: duplicate key value violates unique constraint "members_pkey"'
        " (sqlstate 23505, constraint members_pkey, table members)"
    )
    log = stage.log.getvalue()
    assert "ada@example.com" not in log
    assert "Traceback (most recent call last)" in log
