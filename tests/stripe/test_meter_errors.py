"""What Stripe's meters took and could not count is told by thin events: it is given up, and somebody hears of it."""

import threading
from collections.abc import Iterator

import pytest
import stripe
from click.testing import CliRunner
from structlog.testing import capture_logs

from app import clock
from app.cli import meterline
from app.db import transaction
from app.gateways.billing_errors import BillingNotFoundError
from app.gateways.stripe_signatures import sign
from app.queries import backlog
from app.services.meter_refusals import note_meter_errors
from app.services.overage_checks import compare_overage
from app.services.stripe_events import handle_event
from app.services.stripe_inbox import Receipt, take
from tests.environment import environment
from tests.gateways.takers import Taken
from tests.stripe.market import API_KEY, SECRET, Market
from tests.stripe.metering import Metering

THIN_SECRET = "whsec_of_thin_events_0123456789"
REPORTED = "v1.billing.meter.error_report_triggered"


@pytest.fixture
def gone(pro: Metering) -> Iterator[Metering]:
    """Ada's customer was deleted at Stripe, which nobody has told us yet. She has used 20 calls too many."""
    market = pro.market
    market.change("DELETE FROM stripe_inbox")
    market.double.world.send_thin_events_to(market.taker.url, THIN_SECRET)
    pro.use(120)
    pro.after(hours=1)
    market.dashboard.customers.delete(pro.customer_id)
    with environment(
        STRIPE_API_KEY=API_KEY,
        STRIPE_API_BASE=market.double.url,
        STRIPE_WEBHOOK_SECRET=f"{SECRET},{THIN_SECRET}",
        NO_PROXY="127.0.0.1",
        no_proxy="127.0.0.1",
    ):
        yield pro


def arrived(it: Metering) -> list[Taken]:
    """The webhooks that came since the last time. The clock stands still, for the event loop too, so a thread is waited for."""
    waiting, taker = threading.Event(), it.market.taker
    for _ in range(2_000):
        if it.market.double.world.overview().webhooks_waiting == 0:
            break
        waiting.wait(0.005)
    else:
        pytest.fail("the webhooks did not come")
    taken, taker.taken[:] = list(taker.taken), []
    return taken


def post(webhook: Taken) -> Receipt:
    """The double signs by the real time, and ours stands still elsewhere."""
    return take(webhook.body, sign(webhook.body, secret=THIN_SECRET, stamp=int(clock.now().timestamp())))


def hear(it: Metering) -> list[str]:
    """Take what came, and handle it as the worker does; the types."""
    taken = arrived(it)
    for each in taken:
        assert post(each) is Receipt.TAKEN
        handle_event(each.event["id"])
    return [each.event["type"] for each in taken]


def dead(it: Metering) -> list[list[str]]:
    found = CliRunner().invoke(meterline, ["overage", "dead"]).stdout
    return [line.split("\t") for line in found.splitlines() if line.startswith(it.market.app_id)]


def inbox(market: Market) -> list[tuple[object, ...]]:
    return market.ask("SELECT type, object_id, handled_at IS NOT NULL, error FROM stripe_inbox ORDER BY received_at")


def test_what_was_taken_and_is_not_counted_is_given_up_and_told(gone: Metering) -> None:
    assert (gone.tell(), gone.told()) == (1, [("10 10:20", 1, 20, "SENT")])
    with capture_logs() as logs:
        assert hear(gone) == [REPORTED]
    meter = gone.market.gateway.meters().items[0]
    assert inbox(gone.market) == [(REPORTED, meter.id, True, None)]
    assert gone.told() == [("10 10:20", 1, 20, "SENT"), ("10 10:20", 2, 20, "DEAD")]
    error = f"meter_event_customer_not_found: No such customer: '{gone.customer_id}'"
    assert dead(gone) == [
        [gone.market.app_id, gone.subscription_id, "pro", "calls", "2026-01-10T10:20:00.000Z", "20", error]
    ]
    (alert,) = [each for each in logs if each["event"] == "stripe.meter_report_dead"]
    # No log has a sentence of Stripe's.
    code = "meter_event_customer_not_found"
    assert (alert["log_level"], alert["version"], alert["value"], alert["error"]) == ("error", 1, 20, code)
    with transaction() as session:
        assert backlog.dead_meter_reports(session).count == 1
    # Neither the day's comparison nor the next run tells again what somebody has to look at.
    gone.after(hours=30)
    compare_overage(gone.market.gateway)
    assert (gone.tell(), len(gone.told())) == (0, 2)


def test_the_same_event_twice_changes_nothing_more(gone: Metering) -> None:
    gone.tell()
    (webhook,) = arrived(gone)
    assert [note_meter_errors(gone.market.gateway, webhook.event["id"]) for _ in range(2)] == [1, 0]
    assert [state for _, _, _, state in gone.told()] == ["SENT", "DEAD"]


def test_told_again_it_goes_under_another_name_and_counts(gone: Metering) -> None:
    gone.tell()
    hear(gone)
    gone.market.double.world.account.state.objects["customer"][gone.customer_id].pop("deleted")
    CliRunner().invoke(meterline, ["overage", "retry"])
    assert (gone.tell(), gone.meter()) == (1, {"10 10:00": 20})
    assert [state for _, _, _, state in gone.told()] == ["SENT", "SENT"]


def test_an_hour_that_was_told_anew_since_is_left_alone(gone: Metering) -> None:
    gone.tell()
    (webhook,) = arrived(gone)
    gone.use(5, timestamp=gone.after(hours=1))
    gone.use(7, timestamp=gone.after(minutes=10))
    gone.after(hours=2)
    gone.tell()
    before = gone.told()
    assert note_meter_errors(gone.market.gateway, webhook.event["id"]) == 0
    assert gone.told() == before


def test_an_answer_that_was_lost_is_known_to_have_been_taken(gone: Metering) -> None:
    gone.tell()
    gone.market.change("UPDATE meter_reports SET state = 'WAITING', sent_at = NULL")
    hear(gone)
    assert [state for _, _, _, state in gone.told()] == ["SENT", "DEAD"]


def test_without_a_meter_it_is_the_same(gone: Metering) -> None:
    gone.tell()
    arrived(gone)
    told = f"{gone.subscription_id}:%s:%s:1768040400:1"
    ((package_key, feature_key),) = gone.market.ask(
        "SELECT package_key, feature_key FROM metered_items WHERE tenant_id = :tenant_id"
    )
    gone.market.double.world.find_no_meter(f"meterline:{told % (package_key, feature_key)}")
    assert hear(gone) == ["v1.billing.meter.no_meter_found"]
    assert [line[-1] for line in dead(gone)] == ["no_meter: No meter was found."]


@pytest.mark.parametrize(
    "identifier",
    [
        "somebody_elses",
        "meterline:sub_none:1:2:1768040400:1",
        "meterline:sub:1:2:99999999999999:1",
        f"meterline:{'0' * 64}",
    ],
)
def test_what_others_told_their_meters_is_no_matter(gone: Metering, identifier: str) -> None:
    gone.market.double.world.find_no_meter(identifier)
    hear(gone)
    ((_, _, is_handled, error),) = inbox(gone.market)
    assert (is_handled, error, dead(gone)) == (True, None, [])


@pytest.mark.parametrize(
    "sample",
    [
        {},
        {"request": None},
        {"request": {"identifier": None}},
        {"request": {"identifier": "meterline:sub\0:1:2:1768040400:1"}},
        {"request": {"identifier": "meterline:\ud800:1:2:1768040400:1"}},
    ],
)
def test_others_in_the_same_event_that_have_no_name_or_an_odd_one_keep_nobody_from_hearing_of_ours(
    gone: Metering, sample: dict[str, object]
) -> None:
    gone.tell()
    (event,) = gone.market.double.world.account.state.objects["v2.core.event"].values()
    (found,) = event["data"]["reason"]["error_types"]
    found["sample_errors"].insert(0, {"error_message": "No such customer.", **sample})
    hear(gone)
    assert [state for _, _, _, state in gone.told()] == ["SENT", "DEAD"]


def test_if_more_were_not_counted_than_are_named_the_meter_is_compared_at_once(gone: Metering) -> None:
    gone.tell()
    gone.market.change("UPDATE metered_items SET compared_at = now()")
    (event,) = gone.market.double.world.account.state.objects["v2.core.event"].values()
    event["data"]["reason"]["error_count"] = 2
    hear(gone)
    assert gone.market.ask("SELECT compared_at FROM metered_items WHERE tenant_id = :tenant_id") == [(None,)]


def test_it_waits_while_stripe_is_away_and_is_given_up_if_stripe_does_not_know_it(gone: Metering) -> None:
    gone.tell()
    world = gone.market.double.world
    (webhook,) = arrived(gone)
    assert post(webhook) is Receipt.TAKEN
    world.set_down(down=True)
    handle_event(webhook.event["id"])
    ((_, _, is_handled, error),) = inbox(gone.market)
    assert (is_handled, str(error).startswith("BillingUnavailableError")) == (False, True)
    world.set_down(down=False)
    world.account.state.objects["v2.core.event"].clear()
    with pytest.raises(BillingNotFoundError):
        note_meter_errors(gone.market.gateway, webhook.event["id"])
    assert handle_event(webhook.event["id"]) == 0
    assert gone.told() == [("10 10:20", 1, 20, "SENT")]


def test_the_sdk_takes_the_doubles_webhook_and_its_event_for_stripes(gone: Metering) -> None:
    gone.tell()
    (webhook,) = arrived(gone)
    client = stripe.StripeClient(API_KEY, base_addresses={"api": gone.market.double.url})
    heard = client.parse_event_notification(webhook.body.decode(), webhook.signature, THIN_SECRET)
    assert isinstance(heard, stripe.events.V1BillingMeterErrorReportTriggeredEventNotification)
    assert "data" not in webhook.event
    event = heard.fetch_event()
    assert event.data.reason.error_types[0].sample_errors[0].request.identifier.endswith(":1")
    assert event.related_object.id == heard.related_object.id
