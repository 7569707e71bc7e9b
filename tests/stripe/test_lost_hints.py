"""What never came, or was forgotten on the way, is found: by Stripe's list of events, and in our inbox."""

from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from structlog.testing import capture_logs

from app import clock, jobs
from app.db import transaction
from app.gateways.billing_errors import BillingUnavailableError
from app.gateways.stripe_double.deliveries import WebhookFaults
from app.jobs import celery_app
from app.queries import stripe_inbox as inbox
from app.queries.stripe_backlog import last_webhook_at
from app.services.stripe_catch_up import catch_up_events
from app.services.stripe_events import handle_event
from app.services.stripe_inbox import drop_old, requeue, take
from app.services.sweeps import Swept
from tests.environment import environment
from tests.stripe.market import Market, event_ids

CURSOR = "events:test"


@pytest.fixture
def pro(market: Market) -> Market:
    """Nothing of other tests waits, and Stripe was never asked for events before."""
    market.change("UPDATE stripe_inbox SET next_attempt_at = NULL")
    market.change("DELETE FROM stripe_cursors")
    forget_messages()
    market.sell("pro", 1_000)
    market.shop.user()
    return market


def forget_messages() -> None:
    assert jobs.wait_until_sent(5)
    with celery_app.sender().connection_for_read() as connection:
        connection.default_channel.client.delete(jobs.Queue.STRIPE_EVENTS)


def seen_until() -> datetime | None:
    with transaction() as session:
        return inbox.seen_until(session, CURSOR)


def handle_all(market: Market) -> None:
    for (event_id,) in market.ask("SELECT event_id FROM stripe_inbox WHERE next_attempt_at IS NOT NULL"):
        handle_event(event_id)


async def test_what_was_paid_while_webhooks_were_lost_is_found_in_the_list_of_events(pro: Market) -> None:
    pro.double.world.break_webhooks(WebhookFaults(drop_rate=1.0))
    subscription_id = await pro.buy("pro")
    assert (pro.states(), pro.inbox()) == ([], [])

    assert catch_up_events() == len(pro.inbox()) == 3
    handle_all(pro)
    assert (pro.states(), pro.waiting(), catch_up_events()) == ([("pro", "ACTIVE")], 0, 0)

    pro.double.world.fail_renewal(subscription_id)
    pro.double.world.advance(3_600)
    assert catch_up_events() > 0
    handle_all(pro)
    assert (pro.states(), pro.waiting()) == ([("pro", "PAST_DUE")], 0)


async def test_only_what_is_missing_is_new_and_the_next_look_begins_ten_minutes_before_the_last_event(
    pro: Market,
) -> None:
    await pro.buy("pro")
    assert catch_up_events() == 0
    newest = max(each["created"] for each in pro.double.world.objects("event") if "product" not in each["type"])
    assert seen_until() == datetime.fromtimestamp(newest, UTC)
    pro.change("DELETE FROM stripe_inbox")
    with transaction() as session:
        inbox.note_seen(session, CURSOR, datetime.fromtimestamp(newest + 599, UTC))
    assert catch_up_events() > 0
    pro.change("DELETE FROM stripe_inbox")
    with transaction() as session:
        inbox.note_seen(session, CURSOR, datetime.fromtimestamp(newest + 601, UTC))
    assert catch_up_events() == 0


async def test_pages_are_read_to_the_end(pro: Market) -> None:
    with transaction() as session:
        inbox.note_seen(session, CURSOR, clock.now())
    pro.double.world.break_webhooks(WebhookFaults(drop_rate=1.0))
    subscription_id = await pro.buy("pro")
    for number in range(150):
        pro.double.world.arrange_end(subscription_id, at_period_end=number % 2 == 0)
    assert catch_up_events() == 153
    assert pro.waiting() == 153
    assert len([each for each in pro.double.world.requests() if "/v1/events" in str(each)]) == 2


async def test_what_was_read_of_a_long_time_is_not_read_again_when_a_run_ends_early(pro: Market) -> None:
    """As it does when the account is so large that a job is not given the time to read all of it."""
    began = clock.now()
    with transaction() as session:
        inbox.note_seen(session, CURSOR, began)
    pro.double.world.break_webhooks(WebhookFaults(drop_rate=1.0))
    subscription_id = await pro.buy("pro")
    for number in range(4):
        pro.double.world.arrange_end(subscription_id, at_period_end=number % 2 == 0)
        pro.double.world.advance(5 * 86_400)
    read_until = []
    with freeze_time(began + timedelta(days=21)):
        found = [catch_up_events(run_seconds=0)]
        read_until.append(seen_until())
        pro.double.world.set_down(down=True)
        with pytest.raises(BillingUnavailableError):
            catch_up_events(run_seconds=0)
        pro.double.world.set_down(down=False)
        for _ in range(2):
            found.append(catch_up_events(run_seconds=0))
            read_until.append(seen_until())
    first = began - timedelta(minutes=10)
    assert found == [5, 1, 1]
    assert read_until[:2] == [first + timedelta(days=7), first + timedelta(days=14) - timedelta(minutes=10)]
    assert (pro.waiting(), (read_until[2] or first) > began + timedelta(days=20)) == (7, True)


async def test_a_look_that_fails_begins_again_where_it_began(pro: Market) -> None:
    pro.double.world.break_webhooks(WebhookFaults(drop_rate=1.0))
    await pro.buy("pro")
    pro.double.world.set_down(down=True)
    with pytest.raises(BillingUnavailableError):
        catch_up_events()
    assert seen_until() is None
    pro.double.world.set_down(down=False)
    assert catch_up_events() == 3


async def test_events_of_the_future_do_not_keep_those_of_now_from_being_found(pro: Market) -> None:
    """As when Stripe takes the place of a double on which time went on faster."""
    pro.shop.user("bob")
    pro.double.world.break_webhooks(WebhookFaults(drop_rate=1.0))
    await pro.buy("pro")
    pro.double.world.advance(40 * 86_400)
    catch_up_events()
    pro.double.world.advance(-40 * 86_400)
    await pro.buy("pro", user_id="bob")
    assert catch_up_events() > 0
    handle_all(pro)
    assert pro.states("bob") == [("pro", "ACTIVE")]


async def test_a_gap_that_stripe_does_not_remember_is_told(pro: Market) -> None:
    with transaction() as session:
        inbox.note_seen(session, CURSOR, datetime.now(UTC) - timedelta(days=31))
    with capture_logs() as logs:
        catch_up_events()
        catch_up_events()
    assert [each["event"] for each in logs] == ["stripe.events_out_of_reach"]


async def test_without_a_key_nobody_is_asked(product: str) -> None:
    with environment(STRIPE_API_KEY=None):
        assert catch_up_events() == 0


async def test_an_event_whose_message_was_lost_is_sent_again_after_two_minutes_and_not_at_once_again(
    pro: Market,
) -> None:
    pro.double.world.pay(pro.checkout("pro").id)
    taken = await pro.arrived()
    for each in taken:
        take(each.body, each.signature)
    assert requeue().handled == 0
    now = datetime.now(UTC)
    with freeze_time(now + timedelta(minutes=2)):
        assert (requeue().handled, requeue().handled) == (len(pro.inbox()), 0)
    with freeze_time(now + timedelta(minutes=4, seconds=1)):
        assert requeue().handled == len(pro.inbox())
        for event_id in event_ids(taken):
            handle_event(event_id)
    with freeze_time(now + timedelta(days=2)):
        assert requeue().handled == 0
    assert pro.states() == [("pro", "ACTIVE")]


async def test_while_many_messages_wait_none_is_sent_again_and_what_was_lost_is_found_afterwards(pro: Market) -> None:
    pro.double.world.pay(pro.checkout("pro").id)
    (*_, last) = await pro.arrived()
    take(last.body, last.signature)
    forget_messages()
    for number in range(1_000):
        jobs.send(jobs.HANDLE_STRIPE_EVENT, f"evt_of_a_long_backlog_{number}")
    assert jobs.wait_until_sent(20)
    with freeze_time(datetime.now(UTC) + timedelta(minutes=3)):
        assert requeue() == Swept(handled=0, set_aside=0, more=False)
        forget_messages()
        assert requeue() == Swept(handled=1, set_aside=0, more=False)


async def test_each_failure_doubles_the_wait_up_to_a_quarter_of_an_hour(pro: Market) -> None:
    pro.double.world.pay(pro.checkout("pro").id)
    taken = await pro.arrived()
    take(taken[-1].body, taken[-1].signature)
    (event_id,) = event_ids(taken[-1:])
    pro.double.world.set_down(down=True)
    waits = []
    now = datetime.now(UTC).replace(microsecond=0)
    with freeze_time(now):
        for _ in range(6):
            handle_event(event_id)
            ((wait,),) = pro.ask(
                "SELECT extract(epoch FROM next_attempt_at - :now)::int / 60 FROM stripe_inbox WHERE event_id = :id",
                now=now,
                id=event_id,
            )
            waits.append(wait)
    assert waits == [2, 4, 8, 16, 16, 16]


async def test_what_was_handled_is_dropped_after_40_days_and_what_waits_never(pro: Market) -> None:
    await pro.buy("pro")
    pro.double.world.pay(pro.checkout("pro").id)
    taken = await pro.arrived()
    for each in taken:
        take(each.body, each.signature)
    waiting = pro.waiting()
    handled = len(pro.inbox()) - waiting
    now = datetime.now(UTC)
    pro.change("DELETE FROM stripe_inbox WHERE received_at < now() - interval '1 day'")
    assert drop_old() == 0
    with freeze_time(now + timedelta(days=40, minutes=1)):
        assert drop_old() >= handled
    assert len(pro.inbox()) == pro.waiting() == waiting == 3


async def test_events_that_had_to_be_asked_for_are_no_sign_that_webhooks_come(pro: Market) -> None:
    def heard_at() -> datetime | None:
        with transaction() as session:
            return last_webhook_at(session)

    pro.double.world.break_webhooks(WebhookFaults(drop_rate=1.0))
    await pro.buy("pro")
    assert (catch_up_events() > 0, heard_at()) == (True, None)
    pro.double.world.break_webhooks(WebhookFaults())
    began = clock.now()
    await pro.buy("pro")
    heard = heard_at()
    assert heard is not None
    assert began <= heard <= clock.now()
