"""Sending webhooks to real endpoints on this machine."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory
from sqlalchemy import text
from standardwebhooks import WebhookVerificationError

from app import clock
from app.contract.features import UpdateFeature
from app.contract.webhooks import CreateWebhookEndpoint, UpdateWebhookEndpoint, WebhookDelivery, WebhookEndpoint
from app.db import engine, transaction
from app.domain.webhook_retries import ATTEMPTS_MAX
from app.domain.webhooks import DeliveryStatus, EndpointStatus, WebhookEventType
from app.queries import webhook_deliveries as queries
from app.queries.webhook_deliveries import Claimed, Outcome
from app.services import features, webhook_redelivery, webhooks
from app.services.webhook_deliveries import deliver_due
from app.settings import settings
from tests.receiver import Received, Receiver, answer, hang_up, receiving
from tests.services.at_once import at_once
from tests.services.shop import EVERYTHING, Shop, counted

PENDING, DELIVERED, DEAD = DeliveryStatus.PENDING, DeliveryStatus.DELIVERED, DeliveryStatus.DEAD
Clock = FrozenDateTimeFactory

pytestmark = pytest.mark.usefixtures("alone_with_webhooks")


@pytest.fixture
def time() -> Iterator[Clock]:
    # Sockets go by the real clock.
    with freeze_time("2026-03-05T10:00:00Z", ignore=["app.gateways"]) as time:
        yield time


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def shop(time: Clock, shop: Shop) -> Shop:
    """Each event of Ada and of Bob is a message: one for each percent of a hundred calls."""
    shop.feature()
    features.update_feature(shop.actor, "calls", UpdateFeature(usage_thresholds=list(range(1, 11))))
    shop.package("pro", counted(100))
    for user_id in ("ada", "bob"):
        shop.user(user_id)
        shop.subscribe("pro", user_id=user_id)
    return shop


def hooked(shop: Shop, receiver: Receiver, **more: Any) -> WebhookEndpoint:
    return webhooks.create_webhook_endpoint(shop.actor, CreateWebhookEndpoint(url=receiver.url, **more))


def endpoint_now(shop: Shop, endpoint: WebhookEndpoint) -> WebhookEndpoint:
    return webhooks.get_webhook_endpoint(shop.actor, endpoint.id)


def deliveries(shop: Shop, endpoint: WebhookEndpoint) -> list[WebhookDelivery]:
    """Oldest first."""
    return webhook_redelivery.list_webhook_deliveries(shop.actor, EVERYTHING, endpoint.id).data[::-1]


def statuses(shop: Shop, endpoint: WebhookEndpoint) -> list[DeliveryStatus]:
    return [each.status for each in deliveries(shop, endpoint)]


def percents(receiver: Receiver, user_id: str) -> list[int]:
    """What the receiver was told of a user, in the order of arrival."""
    told = [each.message["data"] for each in receiver.received]
    return [data["threshold"] for data in told if data["userId"] == user_id]


def claimed(limit: int = 100) -> list[Claimed]:
    """What a worker takes in hand that then dies."""
    with transaction() as session:
        now = clock.now()
        return [each for due in queries.due_endpoints(session, now) for each in queries.claim(session, due, limit, now)]


def test_a_message_is_posted_whole_and_signed(shop: Shop, receiver: Receiver) -> None:
    endpoint = hooked(shop, receiver)
    shop.record(1)
    assert deliver_due().handled == 1

    (received,) = receiver.received
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"].startswith("Meterline/")
    assert received.headers["webhook-timestamp"] == str(int(datetime(2026, 3, 5, 10, tzinfo=UTC).timestamp()))
    assert received.verified(endpoint.secret or "") == {
        "type": "usage.threshold",
        "timestamp": "2026-03-05T10:00:00.000Z",
        "data": {
            "userId": "ada",
            "featureId": "calls",
            "threshold": 1,
            "used": 1,
            "limit": 100,
            "periodStart": "2026-03-05T10:00:00.000Z",
            "periodEnd": "2026-04-05T10:00:00.000Z",
        },
    }
    (delivery,) = deliveries(shop, endpoint)
    assert received.id == delivery.message_id
    assert (delivery.status, delivery.attempts, delivery.last_status_code) == (DELIVERED, 1, 200)
    assert (delivery.user_id, delivery.settled_at) == ("ada", "2026-03-05T10:00:00.000Z")
    assert delivery.data == received.message["data"]
    assert deliver_due().handled == 0


def test_while_a_roll_lasts_both_secrets_verify_and_then_the_new_one_alone(
    shop: Shop, receiver: Receiver, time: Clock
) -> None:
    old = hooked(shop, receiver)
    new = webhooks.roll_webhook_secret(shop.actor, old.id)
    shop.record(1)
    deliver_due()
    assert receiver.received[0].verified(old.secret or "") == receiver.received[0].verified(new.secret or "")

    time.tick(timedelta(hours=24))
    shop.record(1)
    deliver_due()
    assert receiver.received[1].verified(new.secret or "")
    with pytest.raises(WebhookVerificationError):
        receiver.received[1].verified(old.secret or "")


def test_what_fails_is_sent_again_with_the_same_id_and_body_until_it_is_taken(
    shop: Shop, receiver: Receiver, time: Clock
) -> None:
    endpoint = hooked(shop, receiver)
    receiver.behave = answer(500, b"a secret of theirs")
    shop.record(1)
    deliver_due()
    (delivery,) = deliveries(shop, endpoint)
    assert (delivery.status, delivery.attempts, delivery.last_status_code) == (PENDING, 1, 500)
    assert delivery.last_error == "The endpoint answered 500."
    assert "2026-03-05T10:00:04.000Z" <= (delivery.next_attempt_at or "") <= "2026-03-05T10:00:06.000Z"
    assert endpoint_now(shop, endpoint).failing_since == "2026-03-05T10:00:00.000Z"

    assert deliver_due().handled == 0
    time.tick(timedelta(seconds=6))
    receiver.behave = answer(204)
    deliver_due()
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 6
    assert second.verified(endpoint.secret or "")
    (delivery,) = deliveries(shop, endpoint)
    assert (delivery.status, delivery.attempts, delivery.last_error) == (DELIVERED, 2, None)
    assert endpoint_now(shop, endpoint).failing_since is None


@pytest.mark.parametrize("status", [301, 307, 400, 404])
def test_all_but_a_2xx_is_a_failure_and_no_redirect_is_followed(
    shop: Shop, receiver: Receiver, time: Clock, status: int
) -> None:
    endpoint = hooked(shop, receiver)
    receiver.behave = answer(status, location="http://169.254.169.254/latest/meta-data")
    shop.record(1)
    deliver_due()
    assert [(each.status, each.last_status_code) for each in deliveries(shop, endpoint)] == [(PENDING, status)]
    assert len(receiver.received) == 1


def test_a_users_messages_arrive_in_order_whatever_fails_and_other_users_do_not_wait(
    shop: Shop, receiver: Receiver, time: Clock
) -> None:
    hooked(shop, receiver)
    failing = {"ada": 3}

    def fail_for_ada(handler: BaseHTTPRequestHandler, received: Received) -> None:
        user_id = received.message["data"]["userId"]
        failing[user_id] = failing.get(user_id, 0) - 1
        answer(500 if failing[user_id] >= 0 else 200)(handler, received)

    receiver.behave = fail_for_ada
    for _ in range(4):
        shop.record(1)
        shop.record(1, user_id="bob")
    deliver_due()
    assert percents(receiver, "ada") == [1]
    assert percents(receiver, "bob") == [1, 2, 3, 4]

    for minutes in (1, 1, 5):
        time.tick(timedelta(minutes=minutes))
        deliver_due()
    assert percents(receiver, "ada") == [1, 1, 1, 1, 2, 3, 4]


def test_after_all_attempts_it_is_dead_and_can_be_sent_again(shop: Shop, receiver: Receiver, time: Clock) -> None:
    endpoint = hooked(shop, receiver)
    receiver.behave = hang_up
    shop.record(1)
    for _ in range(ATTEMPTS_MAX - 1):
        deliver_due()
        time.tick(timedelta(hours=29))
        # Else three days of failures would switch the endpoint off.
        with engine().begin() as connection:
            connection.execute(text("UPDATE webhook_endpoints SET failures = 0 WHERE id = :id"), {"id": endpoint.id})
    assert statuses(shop, endpoint) == [PENDING]
    deliver_due()
    (dead,) = deliveries(shop, endpoint)
    assert (dead.status, dead.attempts, dead.next_attempt_at) == (DEAD, ATTEMPTS_MAX, None)
    assert dead.last_error == "The endpoint did not answer in HTTP."
    assert dead.settled_at is not None
    time.tick(timedelta(days=30))
    assert deliver_due().handled == 0

    again = webhook_redelivery.redeliver_webhook(shop.actor, dead.id)
    assert (again.status, again.attempts, again.settled_at) == (PENDING, 0, None)
    receiver.behave = answer(200)
    deliver_due()
    assert statuses(shop, endpoint) == [DELIVERED]
    assert len(set(receiver.ids)) == 1
    # What was delivered can be asked for too.
    webhook_redelivery.redeliver_webhook(shop.actor, dead.id)
    deliver_due()
    assert len(receiver.ids) == ATTEMPTS_MAX + 2


def test_an_endpoint_that_fails_for_three_days_is_disabled_and_enabling_brings_all_back(
    shop: Shop, receiver: Receiver, time: Clock
) -> None:
    endpoint = hooked(shop, receiver)
    receiver.behave = answer(500)
    shop.record(1)
    shop.record(1)
    for _ in range(9):
        deliver_due()
        time.tick(timedelta(hours=29))
    assert endpoint_now(shop, endpoint).status is EndpointStatus.ENABLED
    deliver_due()

    disabled = endpoint_now(shop, endpoint)
    assert (disabled.status, disabled.disabled_reason) == (EndpointStatus.DISABLED, "It failed for three days.")
    assert statuses(shop, endpoint) == [DEAD, DEAD]

    enabled = webhooks.update_webhook_endpoint(
        shop.actor, endpoint.id, UpdateWebhookEndpoint(status=EndpointStatus.ENABLED)
    )
    assert (enabled.disabled_reason, enabled.failing_since) == (None, None)
    assert webhook_redelivery.redeliver_dead_webhooks(shop.actor, endpoint.id).count == 2
    receiver.behave = answer(200)
    deliver_due()
    assert statuses(shop, endpoint) == [DELIVERED, DELIVERED]
    assert percents(receiver, "ada")[-2:] == [1, 2]


def test_an_endpoint_that_is_gone_is_disabled_at_once(shop: Shop, receiver: Receiver) -> None:
    endpoint = hooked(shop, receiver)
    receiver.behave = answer(410)
    shop.record(1)
    shop.record(1)
    deliver_due()
    disabled = endpoint_now(shop, endpoint)
    assert (disabled.status, disabled.disabled_reason) == (EndpointStatus.DISABLED, "It answered 410 Gone.")
    assert statuses(shop, endpoint) == [DEAD, DEAD]
    assert len(receiver.received) == 1


def test_a_receiver_that_asks_for_time_gets_it(shop: Shop, receiver: Receiver, time: Clock) -> None:
    endpoint = hooked(shop, receiver)
    receiver.behave = answer(429, retry_after="600")
    shop.record(1)
    deliver_due()
    assert [each.next_attempt_at for each in deliveries(shop, endpoint)] == ["2026-03-05T10:10:00.000Z"]


def test_when_an_endpoint_is_back_what_waits_for_it_goes_at_once(shop: Shop, receiver: Receiver, time: Clock) -> None:
    endpoint = hooked(shop, receiver)
    receiver.behave = answer(500)
    shop.record(1)
    for minutes in (1, 1, 5, 15, 90):
        deliver_due()
        time.tick(timedelta(minutes=minutes))
    deliver_due()  # Ada's is due again in three hours
    receiver.behave = answer(200)
    shop.record(1, user_id="bob")
    deliver_due()
    assert percents(receiver, "bob") == [1]
    assert statuses(shop, endpoint) == [DELIVERED, DELIVERED]


def test_a_worker_that_dies_with_one_in_hand_leaves_it_to_the_next_after_its_lease(
    shop: Shop, receiver: Receiver, time: Clock
) -> None:
    endpoint = hooked(shop, receiver)
    shop.record(1)
    shop.record(1)
    (in_hand,) = claimed()
    assert deliver_due().handled == 0

    time.tick(timedelta(seconds=61))
    assert deliver_due().handled == 2
    assert percents(receiver, "ada") == [1, 2]
    assert receiver.ids[0] == f"msg_{in_hand.message_id}"
    assert [each.attempts for each in deliveries(shop, endpoint)] == [2, 1]


def test_who_comes_back_after_its_lease_writes_nothing(shop: Shop, receiver: Receiver, time: Clock) -> None:
    endpoint = hooked(shop, receiver)
    shop.record(1)
    (in_hand,) = claimed()
    time.tick(timedelta(seconds=61))
    (taken_over,) = claimed()
    delivered = Outcome(DELIVERED, None, 200, None)
    with transaction() as session:
        assert queries.settle(session, in_hand, delivered, clock.now()) is False
    assert statuses(shop, endpoint) == [PENDING]
    with transaction() as session:
        assert queries.settle(session, taken_over, delivered, clock.now()) is True
    assert statuses(shop, endpoint) == [DELIVERED]


def test_two_deliverers_at_once_send_nothing_twice(shop: Shop, receiver: Receiver) -> None:
    endpoint = hooked(shop, receiver, event_types=[WebhookEventType.USAGE_THRESHOLD])
    for number in range(20):
        shop.user(f"user-{number}")
        shop.subscribe("pro", user_id=f"user-{number}")
        shop.record(1, user_id=f"user-{number}")
        shop.record(1, user_id=f"user-{number}")
    at_once(deliver_due, deliver_due, deliver_due)
    assert len(receiver.ids) == len(set(receiver.ids)) == 40
    assert set(statuses(shop, endpoint)) == {DELIVERED}


def test_an_endpoint_that_sleeps_does_not_hold_up_another(shop: Shop, other_shop: Shop, receiver: Receiver) -> None:
    """The sleeper is woken by the last message to the other, which so must have got through."""
    with receiving() as sleeper:

        def wake(handler: BaseHTTPRequestHandler, received: Received) -> None:
            if len(receiver.received) == 12:
                sleeper.closing.set()
            answer(200)(handler, received)

        sleeper.behave, receiver.behave = sleeper.fall_asleep, wake
        hooked(shop, sleeper)
        hooked(shop, receiver)
        for user_id in ("ada", "bob"):
            for _ in range(6):
                shop.record(1, user_id=user_id)
        deliver_due(run_seconds=0.5)
    assert len(receiver.received) == 12


def test_each_endpoint_gets_what_it_wants(shop: Shop, receiver: Receiver) -> None:
    with receiving() as other:
        hooked(shop, receiver, event_types=[WebhookEventType.USAGE_LIMIT_REACHED])
        hooked(shop, other)
        shop.record(100)
        deliver_due()
    assert [each.message["type"] for each in receiver.received] == ["usage.limit_reached"]
    types = [each.message["type"] for each in other.received]
    assert types == ["usage.threshold"] * 10 + ["usage.limit_reached"]
    assert receiver.ids == other.ids[-1:]


def test_a_test_goes_to_one_endpoint_whatever_it_wants(shop: Shop, receiver: Receiver) -> None:
    endpoint = hooked(shop, receiver, event_types=[WebhookEventType.USAGE_RESET])
    asked = webhook_redelivery.send_test_webhook(shop.actor, endpoint.id)
    assert (asked.status, asked.event_type, asked.user_id) == (PENDING, "webhook.test", None)
    deliver_due()
    assert receiver.received[0].verified(endpoint.secret or "") == {
        "type": "webhook.test",
        "timestamp": "2026-03-05T10:00:00.000Z",
        "data": {"endpointId": endpoint.id},
    }


def test_nothing_goes_to_this_machine_unless_it_is_allowed(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = hooked(shop, receiver)
    monkeypatch.setenv("WEBHOOK_ALLOW_PRIVATE", "false")
    settings.cache_clear()
    shop.record(1)
    deliver_due()
    (delivery,) = deliveries(shop, endpoint)
    assert (delivery.status, delivery.last_status_code) == (PENDING, None)
    assert delivery.last_error == "The host has an address that is not on the public internet."
    assert receiver.received == []


def test_a_renamed_user_is_told_by_the_name_of_then(shop: Shop, receiver: Receiver) -> None:
    """A body never changes, so that every attempt says the same."""
    hooked(shop, receiver)
    shop.record(1)
    with engine().begin() as connection:
        connection.execute(
            text("UPDATE users SET id = 'augusta' WHERE id = 'ada' AND tenant_id = :id"), {"id": shop.actor.tenant_id}
        )
    deliver_due()
    assert percents(receiver, "ada") == [1]


def test_a_run_that_ends_with_work_left_says_so(shop: Shop, receiver: Receiver) -> None:
    hooked(shop, receiver)
    shop.record(1)
    swept = deliver_due(run_seconds=0)
    assert (swept.handled, swept.more) == (0, True)
    swept = deliver_due()
    assert (swept.handled, swept.more) == (1, False)


def test_what_is_on_its_way_is_not_asked_for_again(shop: Shop, receiver: Receiver) -> None:
    endpoint = hooked(shop, receiver)
    shop.record(1)
    (delivery,) = deliveries(shop, endpoint)
    with pytest.raises(webhook_redelivery.WebhookError, match="is on its way already"):
        webhook_redelivery.redeliver_webhook(shop.actor, delivery.id)
