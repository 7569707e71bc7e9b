"""Webhook endpoints: where a tenant's webhooks go."""

from collections.abc import Callable
from typing import Any

import pytest
from freezegun import freeze_time

from app.contract.shapes import PageRequest
from app.contract.webhooks import CreateWebhookEndpoint, UpdateWebhookEndpoint, WebhookEndpoint
from app.domain.webhooks import DeliveryStatus, EndpointStatus, WebhookEventType
from app.errors import InvalidInputError, WebhookDeliveryNotFoundError, WebhookEndpointNotFoundError, WebhookError
from app.services import webhook_redelivery, webhooks
from app.services.webhook_redelivery import list_webhook_deliveries
from tests.services.at_once import at_once
from tests.services.shop import EVERYTHING, NOWHERE, Shop, counted
from tests.services.told import told

OF_USAGE = [WebhookEventType.USAGE_THRESHOLD, WebhookEventType.USAGE_LIMIT_REACHED]
URL = "https://example.com/hook"


def made(shop: Shop, **more: Any) -> WebhookEndpoint:
    return webhooks.create_webhook_endpoint(shop.actor, CreateWebhookEndpoint(url=URL, **more))


def updated(shop: Shop, endpoint: WebhookEndpoint, **changes: Any) -> WebhookEndpoint:
    return webhooks.update_webhook_endpoint(shop.actor, endpoint.id, UpdateWebhookEndpoint(**changes))


def reach_a_limit(shop: Shop) -> None:
    """Two messages, of Ada's calls."""
    shop.feature()
    shop.package("pro", counted(1))
    shop.user()
    shop.subscribe("pro")
    shop.record(1)


@freeze_time("2026-03-05T10:00:00Z")
def test_a_new_endpoint_is_enabled_and_shows_its_secret_once(shop: Shop) -> None:
    endpoint = made(shop, event_types=[WebhookEventType.USAGE_RESET], description="mine")

    assert endpoint.secret is not None
    assert endpoint.secret.startswith("whsec_")
    assert len(endpoint.secret) == len("whsec_") + 44
    assert endpoint == WebhookEndpoint(
        id=endpoint.id,
        url=URL,
        description="mine",
        event_types=[WebhookEventType.USAGE_RESET],
        status=EndpointStatus.ENABLED,
        disabled_reason=None,
        failing_since=None,
        secret=endpoint.secret,
        previous_secret_until=None,
        created_at="2026-03-05T10:00:00.000Z",
        updated_at="2026-03-05T10:00:00.000Z",
    )
    endpoint.secret = None
    assert webhooks.get_webhook_endpoint(shop.actor, endpoint.id) == endpoint
    assert webhooks.list_webhook_endpoints(shop.actor, EVERYTHING).data == [endpoint]


def test_no_secret_is_stored_and_no_two_are_alike(shop: Shop) -> None:
    secrets = [made(shop).secret or "" for _ in range(3)]
    assert len(set(secrets)) == 3
    stored = repr(shop.rows("webhook_endpoints"))
    assert all(secret.removeprefix("whsec_") not in stored for secret in secrets)


def test_a_roll_shows_another_secret_and_says_for_how_long_the_one_before_signs(shop: Shop) -> None:
    with freeze_time("2026-03-05T10:00:00Z") as time:
        endpoint = made(shop)
        rolled = webhooks.roll_webhook_secret(shop.actor, endpoint.id)
        assert rolled.secret not in (None, endpoint.secret)
        assert rolled.previous_secret_until == "2026-03-06T10:00:00.000Z"
        time.move_to("2026-03-06T10:00:00Z")
        assert webhooks.get_webhook_endpoint(shop.actor, endpoint.id).previous_secret_until is None


def test_an_update_changes_what_it_names(shop: Shop) -> None:
    endpoint = made(shop, event_types=[WebhookEventType.USAGE_RESET], description="mine")
    endpoint.secret = None

    changed = updated(shop, endpoint, url="https://example.com/other")
    assert (changed.url, changed.description, changed.event_types) == (
        "https://example.com/other",
        "mine",
        [WebhookEventType.USAGE_RESET],
    )
    cleared = updated(shop, endpoint, description=None, event_types=None)
    assert (cleared.url, cleared.description, cleared.event_types) == ("https://example.com/other", None, [])


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://169.254.169.254/latest", "http://example.com/"])
def test_a_url_that_webhooks_cannot_go_to_is_refused_and_nothing_changes(shop: Shop, url: str) -> None:
    endpoint = made(shop)
    before = shop.rows()
    with pytest.raises(InvalidInputError, match=r"^url: must "):
        webhooks.create_webhook_endpoint(shop.actor, CreateWebhookEndpoint(url=url))
    with pytest.raises(InvalidInputError, match=r"^url: must "):
        updated(shop, endpoint, url=url)
    assert shop.rows() == before


def test_a_type_that_is_given_twice_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"^eventTypes\[1\]: repeats 'usage.reset'$"):
        CreateWebhookEndpoint(url=URL, event_types=[WebhookEventType.USAGE_RESET, WebhookEventType.USAGE_RESET])


def test_there_can_be_twenty_endpoints_also_when_they_are_made_at_once(shop: Shop, other_shop: Shop) -> None:
    for _ in range(18):
        made(shop)
    answers = at_once(*[lambda: made(shop) for _ in range(5)])

    refused = [str(answer) for answer in answers if isinstance(answer, WebhookError)]
    assert refused == ["There can be at most 20 webhook endpoints: delete one first."] * 3
    assert len(webhooks.list_webhook_endpoints(shop.actor, EVERYTHING).data) == 20
    made(other_shop)


def test_endpoints_come_in_pages_oldest_first(shop: Shop) -> None:
    ids = [made(shop).id for _ in range(3)]
    first = webhooks.list_webhook_endpoints(shop.actor, PageRequest(limit=2))
    last = webhooks.list_webhook_endpoints(shop.actor, PageRequest(limit=2, starting_after=ids[1]))
    assert ([each.id for each in first.data], first.has_more) == (ids[:2], True)
    assert ([each.id for each in last.data], last.has_more) == (ids[2:], False)


def test_a_disabled_endpoint_is_told_nothing_and_what_waited_for_it_is_given_up(shop: Shop) -> None:
    endpoint = made(shop, event_types=OF_USAGE)
    reach_a_limit(shop)
    disabled = updated(shop, endpoint, status=EndpointStatus.DISABLED)
    assert (disabled.status, disabled.disabled_reason) == (EndpointStatus.DISABLED, None)

    dead = list_webhook_deliveries(shop.actor, EVERYTHING, endpoint.id, DeliveryStatus.DEAD).data
    assert [each.last_error for each in dead] == ["The endpoint was disabled."] * 3
    shop.record(1)
    assert len(told(shop)) == 3
    with pytest.raises(WebhookError, match=r"is disabled: enable it first\.$"):
        webhook_redelivery.redeliver_dead_webhooks(shop.actor, endpoint.id)
    with pytest.raises(WebhookError, match=r"is disabled: enable it first\.$"):
        webhook_redelivery.redeliver_webhook(shop.actor, dead[0].id)
    with pytest.raises(WebhookError, match=r"is disabled: enable it first\.$"):
        webhook_redelivery.send_test_webhook(shop.actor, endpoint.id)

    assert updated(shop, endpoint, status=EndpointStatus.ENABLED).status is EndpointStatus.ENABLED
    assert webhook_redelivery.redeliver_dead_webhooks(shop.actor, endpoint.id).count == 3
    waiting = list_webhook_deliveries(shop.actor, EVERYTHING, endpoint.id, DeliveryStatus.PENDING).data
    assert [each.id for each in waiting] == [each.id for each in dead]


def test_a_deleted_endpoint_takes_its_deliveries_along(shop: Shop) -> None:
    endpoint, other = made(shop, event_types=OF_USAGE), made(shop, event_types=OF_USAGE)
    reach_a_limit(shop)
    assert webhooks.delete_webhook_endpoint(shop.actor, endpoint.id).id == endpoint.id

    with pytest.raises(WebhookEndpointNotFoundError):
        webhooks.get_webhook_endpoint(shop.actor, endpoint.id)
    assert len(shop.rows("webhook_deliveries")["webhook_deliveries"]) == 3
    assert len(list_webhook_deliveries(shop.actor, EVERYTHING, other.id).data) == 3


OF_AN_ENDPOINT: list[Callable[[Shop, str], object]] = [
    lambda shop, id_: webhooks.get_webhook_endpoint(shop.actor, id_),
    lambda shop, id_: webhooks.update_webhook_endpoint(shop.actor, id_, UpdateWebhookEndpoint(url=URL)),
    lambda shop, id_: webhooks.delete_webhook_endpoint(shop.actor, id_),
    lambda shop, id_: webhooks.roll_webhook_secret(shop.actor, id_),
    lambda shop, id_: list_webhook_deliveries(shop.actor, EVERYTHING, id_),
    lambda shop, id_: webhook_redelivery.redeliver_dead_webhooks(shop.actor, id_),
    lambda shop, id_: webhook_redelivery.send_test_webhook(shop.actor, id_),
]


@pytest.mark.parametrize("number", range(len(OF_AN_ENDPOINT)))
def test_another_tenants_endpoint_looks_like_none(shop: Shop, other_shop: Shop, number: int) -> None:
    theirs = made(other_shop).id
    before = other_shop.rows()
    for id_ in (theirs, NOWHERE, "007", "9" * 30):
        with pytest.raises(WebhookEndpointNotFoundError, match=r"^Webhook Endpoint Id not found for app$"):
            OF_AN_ENDPOINT[number](shop, id_)
    assert other_shop.rows() == before


def test_another_tenants_delivery_looks_like_none(shop: Shop, other_shop: Shop) -> None:
    endpoint = made(other_shop)
    theirs = webhook_redelivery.send_test_webhook(other_shop.actor, endpoint.id)
    updated(other_shop, endpoint, status=EndpointStatus.DISABLED)
    before = other_shop.rows()
    for id_ in (theirs.id, NOWHERE):
        with pytest.raises(WebhookDeliveryNotFoundError, match=r"^Webhook Delivery Id not found for app$"):
            webhook_redelivery.redeliver_webhook(shop.actor, id_)
    assert other_shop.rows() == before


def test_a_page_of_deliveries_cannot_start_after_another_endpoints(shop: Shop) -> None:
    endpoint, other = made(shop), made(shop)
    sent = webhook_redelivery.send_test_webhook(shop.actor, other.id)
    with pytest.raises(InvalidInputError, match=r"^startingAfter: there is nothing with the id"):
        list_webhook_deliveries(shop.actor, PageRequest(starting_after=sent.id), endpoint.id)
