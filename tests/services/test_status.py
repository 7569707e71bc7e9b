"""Whether all is well: each thing that can be late is told, and so is what is away."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory
from sqlalchemy import event, text

from app import clock, jobs
from app.contract.billing import CreateBillingTemplate
from app.contract.reservations import ReserveUsage
from app.db import Pool, engine, transaction
from app.gateways.account_limits import FAILURES_MAX, limits_for
from app.gateways.billing import Lane
from app.jobs import Job
from app.queries.backlog import Counted, Kind, oldest_due
from app.queries.stripe_backlog import StripeKind, note_webhook
from app.queries.stripe_inbox import Hint, put, settle
from app.services.billing import create_billing_template
from app.services.job_runs import run_noted
from app.services.job_states import list_states
from app.services.ledger_partitions import make_ahead
from app.services.reservations import reserve_usage
from app.services.status import Records, Status, heartbeat_is_fresh, status
from tests.environment import DEAD_BROKER, DEAD_DATABASE, environment
from tests.services.shop import MONTH, Shop, counted
from tests.tenants import new_tenant

BEGUN = datetime(2026, 1, 10, 12, tzinfo=UTC)


@pytest.fixture
def own_database(product: str, database_url: str) -> Iterator[None]:
    with environment(DATABASE_URL=database_url):
        yield


@pytest.fixture
def time(own_database: None) -> Iterator[FrozenDateTimeFactory]:
    with freeze_time(BEGUN) as frozen:
        make_ahead(BEGUN, 3)
        yield frozen


def do_all_jobs(*but_not: Job) -> None:
    for job in jobs.JOBS:
        if job not in but_not:
            run_noted(job, lambda: 3)


def look() -> Status:
    return status(ping_workers=False)


def records() -> Records:
    found = look().records
    assert found is not None
    return found


def oldest() -> dict[Kind, datetime]:
    return {one.kind: one.oldest_at for one in records().backlogs if one.oldest_at}


def execute(statement: str, **values: object) -> None:
    with engine().begin() as connection:
        connection.execute(text(statement), values)


def stocked() -> Shop:
    shop = Shop(new_tenant().actor)
    shop.feature()
    shop.package("pro", counted(1000, MONTH))
    shop.user()
    shop.subscribe("pro")
    return shop


def test_all_is_well_when_each_job_was_done_and_nothing_waits(time: FrozenDateTimeFactory) -> None:
    do_all_jobs()
    seen = look()
    assert seen.problems == []
    assert seen.records is not None
    assert [state.problem for state in seen.records.jobs] == [None] * len(jobs.JOBS)
    assert {one.oldest_at for one in seen.records.backlogs} == {None}
    assert seen.records.ledger_covered_until == datetime(2026, 5, 1, tzinfo=UTC)
    assert heartbeat_is_fresh(seen.records) is True


def test_a_job_that_never_ran_and_one_that_ran_too_long_ago_are_told(time: FrozenDateTimeFactory) -> None:
    do_all_jobs(jobs.PRUNE)
    assert look().problems == ["maintenance.prune has never been done"]
    run_noted(jobs.PRUNE, lambda: 0)
    time.tick(timedelta(seconds=30 * 1.5 + 60))
    assert "maintenance.heartbeat is late" not in look().problems
    time.tick(timedelta(seconds=1))
    assert "maintenance.heartbeat is late" in look().problems
    assert heartbeat_is_fresh(records()) is False


def test_a_job_that_is_switched_off_is_never_late(time: FrozenDateTimeFactory) -> None:
    do_all_jobs(jobs.PRUNE)
    with environment(SCHEDULE_MAINTENANCE_PRUNE="0"):
        assert look().problems == []
    with environment(SCHEDULE_MAINTENANCE_PRUNE="0", SCHEDULE_MAINTENANCE_HEARTBEAT="0"):
        assert heartbeat_is_fresh(records()) is None


def test_a_job_that_failed_is_told_until_it_is_done(time: FrozenDateTimeFactory) -> None:
    do_all_jobs()
    time.tick(timedelta(seconds=1))

    def fail() -> int:
        raise ValueError("no such month")

    with pytest.raises(ValueError, match="no such month"):
        run_noted(jobs.CHECK_BOOKS_OF, fail)
    assert look().problems == ["maintenance.check_books_of failed: ValueError: no such month"]
    time.tick(timedelta(seconds=1))
    run_noted(jobs.CHECK_BOOKS_OF, lambda: 0)
    assert look().problems == []


def test_states_say_when_a_job_ran_and_how_much_it_did(time: FrozenDateTimeFactory) -> None:
    run_noted(jobs.RESET_DUE, lambda: 12)
    state = next(state for state in list_states() if state.name == jobs.RESET_DUE.name)
    assert (state.started_at, state.succeeded_at, state.failed_at, state.handled) == (BEGUN, BEGUN, None, 12)
    assert (state.queue, state.setting, state.period_seconds) == ("default", "SCHEDULE_USAGE_RESET_DUE", 60.0)


def test_the_oldest_of_each_kind_is_found_over_all_tenants(time: FrozenDateTimeFactory) -> None:
    newer, older = stocked(), stocked()
    subscription = older.subscriptions()[0]
    older.record()
    command = ReserveUsage(user_id="ada", feature_id="calls", delta=3, ttl_seconds=600)
    assert reserve_usage(older.actor, command).reservation is not None
    older.cancel(subscription.id, at_period_end=True)
    time.tick(timedelta(hours=1))
    newer.record()
    assert oldest() == {Kind.RESERVATIONS: BEGUN + timedelta(seconds=600)}
    time.move_to("2026-02-10T11:59:59.999Z")
    assert set(oldest()) == {Kind.RESERVATIONS}
    time.move_to("2026-03-20T00:00:00Z")
    end = datetime(2026, 2, 10, 12, tzinfo=UTC)
    assert oldest() == {
        Kind.RESERVATIONS: BEGUN + timedelta(seconds=600),
        Kind.COUNTERS: end,
        Kind.SUBSCRIPTIONS: end,
    }
    do_all_jobs()
    assert look().problems == [
        "counters wait for usage.reset_due since 2026-02-10T12:00:00.000Z",
        "subscriptions wait for subscriptions.settle_due since 2026-02-10T12:00:00.000Z",
        "reservations wait for reservations.expire_due since 2026-01-10T12:10:00.000Z",
    ]
    with environment(SCHEDULE_USAGE_RESET_DUE="0", SCHEDULE_RESERVATIONS_EXPIRE_DUE="0"):
        assert len(look().problems) == 1


def test_periods_that_are_not_closed_and_webhooks_are_found(time: FrozenDateTimeFactory) -> None:
    tenant_id = new_tenant().actor.tenant_id
    execute(
        "INSERT INTO usage_periods (tenant_id, user_key, feature_key, period_start, period_end, "
        "used, overage_enabled, closed_at) "
        "SELECT :t, n, 1, :at - interval '40 days', :at - n * interval '1 day', 0, false, "
        "CASE WHEN n = 2 THEN NULL ELSE :at END FROM generate_series(1, 3) n",
        t=tenant_id,
        at=BEGUN,
    )
    execute(
        "WITH e AS (INSERT INTO webhook_endpoints (tenant_id, url, event_types, status, failures, salt, created_at, updated_at) "
        "VALUES (:t, 'https://a.test', '{}', 'ENABLED', 0, '', :at, :at) RETURNING id), "
        "m AS (INSERT INTO webhook_messages (tenant_id, type, data, created_at) "
        "VALUES (:t, 'usage.reset', '{}', :at) RETURNING id) "
        "INSERT INTO webhook_deliveries (tenant_id, endpoint_id, message_id, status, attempts, next_attempt_at, settled_at) "
        "SELECT :t, e.id, m.id, s, 1, a, CASE WHEN s = 'DEAD' THEN a END FROM e, m, "
        "(VALUES ('PENDING', :at - interval '1 hour'), ('PENDING', :at + interval '1 hour'), ('DEAD', :at - interval '1 day'), "
        "('DEAD', :at), ('DELIVERED', :at - interval '2 days')) v(s, a)",
        t=tenant_id,
        at=BEGUN,
    )
    assert oldest() == {
        Kind.PERIODS: BEGUN - timedelta(days=2),
        Kind.WEBHOOKS: BEGUN - timedelta(hours=1),
    }
    assert records().dead_webhooks == Counted(2, BEGUN - timedelta(days=1))


def test_what_waits_for_stripe_is_counted_and_is_a_problem_when_it_is_late(time: FrozenDateTimeFactory) -> None:
    do_all_jobs()
    shops = [stocked(), stocked()]
    with freeze_time(BEGUN - timedelta(seconds=150)):
        for shop in shops:
            sell(shop, "waits")
    execute("UPDATE billing_templates SET status = 'FAILED' WHERE tenant_id = :t", t=shops[0].actor.tenant_id)
    with transaction() as session:
        hints = [Hint(f"evt_{n}", "invoice.paid", False, None, None, BEGUN) for n in range(3)]
        put(session, hints, BEGUN - timedelta(seconds=10), BEGUN)
        settle(session, ["evt_0"], BEGUN)
    late, lately = BEGUN - timedelta(seconds=150), BEGUN - timedelta(seconds=10)
    assert {kind: found for kind, found in records().waiting_for_stripe.items() if found.count} == {
        StripeKind.TEMPLATES: Counted(1, late),
        StripeKind.FAILED_TEMPLATES: Counted(1, late),
        StripeKind.EVENTS: Counted(2, lately),
    }
    assert look().problems == []
    time.tick(timedelta(seconds=1))
    assert look().problems == ["1 templates wait for Stripe since 2026-01-10T11:57:30.000Z"]


def test_links_and_requests_that_wait_are_counted(time: FrozenDateTimeFactory) -> None:
    do_all_jobs()
    shop = stocked()
    subscription_id = int(shop.subscriptions()[0].id)
    sell(shop, "pro-month")
    execute(
        "INSERT INTO checkout_links (tenant_id, id, template_key, price_id, success_url, cancel_url, fingerprint, status, "
        "attempt, created_at, updated_at, sent_at, look_at) "
        "SELECT :t, gen_random_uuid(), key, 'p', 's', 'c', 'f', v.status, 1, :at - v.age, :at - v.age, :at, v.look_at "
        "FROM billing_templates, (VALUES ('PENDING', interval '2 s', NULL), ('PENDING', interval '9 s', NULL), "
        "('OPEN', interval '1 day', :at), ('UNPAID', interval '3 days', :at)) v(status, age, look_at)",
        t=shop.actor.tenant_id,
        at=BEGUN,
    )
    execute(
        "INSERT INTO subscription_requests (tenant_id, id, subscription_id, kind, status, at_period_end, attempt, "
        "created_at, asked_at, sent_at, updated_at) "
        "SELECT :t, gen_random_uuid(), :s, 'CANCEL', status, false, 1, :at - age, :at, :at, :at "
        "FROM (VALUES ('PENDING', interval '5 s'), ('DONE', interval '1 day')) v(status, age)",
        t=shop.actor.tenant_id,
        s=subscription_id,
        at=BEGUN,
    )
    assert records().waiting_for_stripe == {
        StripeKind.EVENTS: Counted(0, None),
        StripeKind.REQUESTS: Counted(1, BEGUN - timedelta(seconds=5)),
        StripeKind.LINKS: Counted(2, BEGUN - timedelta(seconds=9)),
        StripeKind.UNPAID_LINKS: Counted(1, BEGUN - timedelta(days=3)),
        StripeKind.TEMPLATES: Counted(1, BEGUN),
        StripeKind.FAILED_TEMPLATES: Counted(0, None),
        StripeKind.SECOND_BASES: Counted(0, None),
    }
    assert look().problems == []


@pytest.mark.parametrize("over", [0, 1])
def test_who_pays_for_a_second_base_package_is_a_problem_until_one_is_over(
    time: FrozenDateTimeFactory, over: int
) -> None:
    """None of the two is billed again, so no copy tells that it is over."""
    do_all_jobs()
    shop = stocked()
    shop.package("team", counted(1_000))
    execute(
        "INSERT INTO subscriptions (tenant_id, user_key, package_key, status, started_at, provider, provider_subscription_id, "
        "provider_item_id, is_second_base, metadata, created_at, updated_at) "
        "SELECT s.tenant_id, user_key, p.key, s.status, started_at, 'STRIPE', 'cs_1', 'cs_1', true, s.metadata, :at, :at "
        "FROM subscriptions s, packages p WHERE s.tenant_id = :t AND p.tenant_id = :t AND p.id = 'team'",
        t=shop.actor.tenant_id,
        at=BEGUN,
    )
    assert records().waiting_for_stripe[StripeKind.SECOND_BASES] == Counted(1, BEGUN)
    assert look().problems == ["1 users pay for a second base package"]
    shop.cancel(shop.subscriptions()[over].id)
    assert look().problems == []


def test_when_a_webhook_came_last_is_known_to_ten_seconds(time: FrozenDateTimeFactory) -> None:
    assert records().last_webhook_at is None
    for seconds, seen in ((0, 0), (10, 0), (11, 11), (5, 11)):
        with transaction() as session:
            note_webhook(session, BEGUN + timedelta(seconds=seconds))
        assert records().last_webhook_at == BEGUN + timedelta(seconds=seen)


def sell(shop: Shop, template_id: str) -> None:
    """A price that a worker is to make."""
    new = CreateBillingTemplate(id=template_id, package_id="pro", amount=5000, currency="gbp", interval="month")
    create_billing_template(shop.actor, new)


def test_rows_set_aside_are_a_problem(time: FrozenDateTimeFactory) -> None:
    do_all_jobs()
    execute(
        "INSERT INTO job_faults (tenant_id, job, row_id, error, attempts, first_at, last_at, retry_at) "
        "SELECT :t, 'usage.reset_due', n::text, 'x', 1, :at + n * interval '1 s', :at, :at FROM generate_series(1, 2) n",
        t=new_tenant().actor.tenant_id,
        at=BEGUN,
    )
    assert records().rows_set_aside == Counted(2, BEGUN + timedelta(seconds=1))
    assert look().problems == ["2 rows could not be done and are set aside"]


def test_books_that_differed_at_the_last_check_are_a_problem(time: FrozenDateTimeFactory) -> None:
    do_all_jobs()
    for differences in (2, 3):
        execute(
            "INSERT INTO books_checks (tenant_id, checked_at, differences, is_whole) VALUES (:t, :at, :differences, true)",
            t=new_tenant().actor.tenant_id,
            at=BEGUN,
            differences=differences,
        )
    assert look().problems == ["the books had 5 differences when they were checked last"]


def test_a_ledger_without_this_month_is_a_problem(time: FrozenDateTimeFactory) -> None:
    time.move_to("2026-05-01T00:00:00Z")
    do_all_jobs()
    assert look().problems == ["the ledger has no partition for this month"]


def test_a_stripe_that_does_not_answer_is_a_problem_until_it_does(time: FrozenDateTimeFactory) -> None:
    do_all_jobs()
    assert look().stripe is None
    with environment(STRIPE_API_KEY="sk_test_status"):
        assert look().problems == []
        limits = limits_for(Lane.LINKS)
        for _ in range(FAILURES_MAX):
            limits.note_failure()
        assert look().problems == ["Stripe does not answer, and is asked only now and then"]
        limits.note_answer()
        assert look().problems == []


def test_what_is_away_is_told_in_time_and_the_rest_is_answered(own_database: None) -> None:
    began = clock.now()
    with environment(REDIS_URL=DEAD_BROKER):
        seen = status(ping_workers=True)
        assert (seen.messages, seen.workers, seen.problems[0]) == (None, [], "the broker does not answer")
        assert seen.records is not None
    with environment(DATABASE_URL=DEAD_DATABASE):
        seen = status(ping_workers=True)
        assert (seen.records, seen.messages is not None) == (None, True)
        assert seen.problems == ["no worker answers", "the database does not answer"]
    assert clock.now() - began < timedelta(seconds=10)


@pytest.mark.parametrize("kind", Kind)
def test_each_look_goes_by_the_index(kind: Kind, own_database: None) -> None:
    """Of a table with rows, which statistics would let the planner read whole if it had to."""
    new_tenant()
    plans: list[str] = []
    with engine().begin() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        question = _statement_of(kind)
        plans = [line for (line,) in connection.exec_driver_sql(f"EXPLAIN {question}", (BEGUN,))]
    assert any("Index" in line and "ix_" in line for line in plans), plans
    assert not any("Sort" in line for line in plans), plans


def _statement_of(kind: Kind) -> str:
    """What `oldest_due` sends."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(engine(Pool.STATUS), "before_cursor_execute", note)
    with transaction(Pool.STATUS) as session:
        oldest_due(session, kind, BEGUN)
    return sent[-1]
