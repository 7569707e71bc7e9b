"""`meterline books …`: what an operator sees of the books."""

from collections.abc import Callable

import pytest
from freezegun import freeze_time

from app.cli.progress import Progress
from app.services.usage_resets import reset_due
from tests import test_cli
from tests.services.shop import Shop, counted
from tests.services.test_books import tamper
from tests.tenants import Tenant
from tests.test_cli import refused, run, said

logging_as_before = test_cli.logging_as_before


@pytest.fixture
def shop(tenant: Tenant) -> Shop:
    with freeze_time("2026-01-31T10:00:00Z"):
        shop = Shop(tenant.actor)
        shop.feature()
        shop.package("pro", counted(500))
        shop.user("ada")
        shop.subscribe("pro")
        shop.record(12, idempotency_key="first")
        return shop


def wrong(shop: Shop) -> None:
    tamper(shop, "UPDATE consumptions SET used = 13 WHERE tenant_id = :tenant AND user_key = :user")


def test_right_books_are_said_to_be_right(shop: Shop) -> None:
    result = run("books", "check", "--app", shop.actor.app_id)
    assert (result.exit_code, result.stdout) == (
        0,
        "Checked 1 counters, 0 closed periods and 1 events: the books are right.\n",
    )
    counters, ledger = result.stderr.splitlines()
    assert counters.startswith("counters: 1 of 1; 1 events read, ")
    assert ledger.startswith("parts of the ledger: 1 of 1; 1 events read, ")


def test_a_difference_is_a_line_and_the_exit_code_is_1_until_it_is_repaired(shop: Shop) -> None:
    wrong(shop)
    line = f"counter\t{shop.actor.app_id}\tada\tcalls\t2026-01-31T10:00:00.000Z/2026-02-28T10:00:00.000Z\t13\t12"

    found = run("books", "check", "--app", shop.actor.app_id, "--batch-size", "1")
    assert found.exit_code == 1
    assert found.stdout == f"{line}\tfound\nChecked 1 counters, 0 closed periods and 1 events: differences: 1 found.\n"

    repaired = said("books", "check", "--app", shop.actor.app_id, "--repair")
    assert (
        repaired == f"{line}\trepaired\nChecked 1 counters, 0 closed periods and 1 events: differences: 1 repaired.\n"
    )
    assert said("books", "check", "--app", shop.actor.app_id).endswith("the books are right.\n")


def test_the_history_is_gone_through_last_and_its_differences_are_lines_too(shop: Shop) -> None:
    with freeze_time("2026-02-28T10:00:00Z"):
        reset_due()
        tamper(shop, "UPDATE usage_periods SET used = 11 WHERE tenant_id = :tenant AND user_key = :user")
        found = run("books", "check", "--app", shop.actor.app_id)
    period = "2026-01-31T10:00:00.000Z/2026-02-28T10:00:00.000Z"
    assert (found.exit_code, found.stdout) == (
        1,
        f"closed period\t{shop.actor.app_id}\tada\tcalls\t{period}\t11\t12\tfound\n"
        "Checked 1 counters, 1 closed periods and 1 events: differences: 1 found.\n",
    )
    assert found.stderr.splitlines()[-1].startswith("closed periods: 1 of 1; 1 events read, ")


def test_what_nobody_knows_is_a_dash_and_what_is_left_is_told(shop: Shop) -> None:
    event = shop.rows("usage_events")["usage_events"][0][1]
    tamper(shop, "DELETE FROM usage_events WHERE tenant_id = :tenant AND id = :event", event=event)
    tamper(shop, "UPDATE consumptions SET used = 0 WHERE tenant_id = :tenant AND user_key = :user")
    lines = run("books", "check", "--app", shop.actor.app_id).stdout.splitlines()
    assert lines[0] == f"key without event\t{shop.actor.app_id}\t-\t-\t-\t{event}\t-\tfound"
    assert len(lines) == 2


def test_a_tenant_that_is_not_there_and_a_batch_of_nothing_are_refused(product: str) -> None:
    assert refused("books", "check", "--app", "test_nobody") == "Error: There is no tenant test_nobody\n"
    assert "0 is not in the range" in refused("books", "check", "--batch-size", "0")


def steps(progress: Progress) -> None:
    for done in (1000, 3000, 3500, 4000):
        progress.show("counters", done=done, total=4000, events=100_000)
    progress.show("parts of the ledger", done=1, total=1, events=8000)


def ticks() -> Callable[[], float]:
    return iter([0.0, 4.0, 12.0, 12.1, 20.0, 24.0]).__next__


def test_a_log_is_told_now_and_then_how_far_how_fast_and_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    steps(Progress(seconds=ticks(), on_terminal=False))
    assert capsys.readouterr().err == (
        "counters: 3,000 of 4,000; 200,000 events read, 16,667 a second; 4 s left\n"
        "counters: 4,000 of 4,000; 400,000 events read, 20,000 a second; 0 s left\n"
        "parts of the ledger: 1 of 1; 8,000 events read, 2,000 a second; 0 s left\n"
    )


def test_a_terminal_has_one_line_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    steps(Progress(seconds=ticks(), on_terminal=True))
    assert capsys.readouterr().err.replace("\r", "<") == (
        "<counters: 1,000 of 4,000; 100,000 events read, 25,000 a second; 12 s left"
        "<counters: 3,000 of 4,000; 200,000 events read, 16,667 a second; 4 s left"
        "<counters: 4,000 of 4,000; 400,000 events read, 20,000 a second; 0 s left\n"
        "<parts of the ledger: 1 of 1; 8,000 events read, 2,000 a second; 0 s left\n"
    )
