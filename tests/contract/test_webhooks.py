"""Webhook endpoints and deliveries: the same at both doors."""

from typing import Any

import pytest

from tests.contract.callers import Caller

URL = "https://example.com/hook"
ENDPOINT = """{
  id url description eventTypes status disabledReason failingSince secret previousSecretUntil createdAt updatedAt
}"""
DELIVERY = """{
  id endpointId messageId eventType userId status attempts nextAttemptAt lastAttemptAt lastStatusCode lastError createdAt
  settledAt data
}"""


@pytest.fixture
async def hooked(caller: Caller) -> dict[str, Any]:
    """An endpoint that waits for two webhooks about Ada, the first of which says that 80 % are used."""
    made: dict[str, Any] = await caller.rest("POST", "/webhook-endpoints", url=URL, eventTypes=["usage.threshold"])
    await caller.rest("POST", "/features", id="calls", type="CONSUMABLE")
    terms = {"id": "calls", "entitlement": {"limit": 10, "resetPeriod": "MONTH"}}
    await caller.rest("POST", "/packages", id="pro", features=[terms])
    await caller.rest("POST", "/packages/pro/publish")
    await caller.rest("POST", "/users", id="ada")
    await caller.rest("POST", "/subscriptions", userId="ada", packageIds=["pro"])
    await caller.rest("POST", "/usage", userId="ada", featureId="calls", delta=8)
    await caller.rest("POST", f"/webhook-endpoints/{made['id']}/test")
    return made


async def test_an_endpoint_is_made_read_changed_rolled_and_deleted_over_graphql(caller: Caller) -> None:
    variables = {"input": {"url": URL, "eventTypes": ["usage.threshold"], "description": None}}
    create = (
        f"mutation ($input: CreateWebhookEndpointInput!) {{ made: createWebhookEndpoint(input: $input) {ENDPOINT} }}"
    )
    made = (await caller.data(create, variables))["made"]
    shown = made | {"secret": None}
    path = f"/webhook-endpoints/{made['id']}"

    assert made["secret"].startswith("whsec_")
    assert await caller.rest("GET", path) == shown
    assert await caller.data(f'{{ webhookEndpoint(id: "{made["id"]}") {ENDPOINT} }}') == {"webhookEndpoint": shown}
    assert await caller.data(f"{{ webhookEndpoints {ENDPOINT} }}") == {"webhookEndpoints": [shown]}

    update = f'mutation {{ updateWebhookEndpoint(id: "{made["id"]}", input: {{status: DISABLED}}) {ENDPOINT} }}'
    disabled = (await caller.data(update))["updateWebhookEndpoint"]
    assert (
        disabled == await caller.rest("GET", path) == shown | {"status": "DISABLED", "updatedAt": disabled["updatedAt"]}
    )

    roll = f'mutation {{ rollWebhookSecret(id: "{made["id"]}") {{ secret previousSecretUntil }} }}'
    rolled = (await caller.data(roll))["rollWebhookSecret"]
    assert rolled["secret"] not in (None, made["secret"])
    assert rolled["previousSecretUntil"] is not None

    await caller.data(f'mutation {{ deleteWebhookEndpoint(id: "{made["id"]}") {{ id }} }}')
    assert (await caller.rest("GET", "/webhook-endpoints"))["data"] == []


async def test_the_same_over_rest(caller: Caller) -> None:
    made = await caller.rest("POST", "/webhook-endpoints", url=URL, eventTypes=["usage.reset"], description="mine")
    path = f"/webhook-endpoints/{made['id']}"
    shown = made | {"secret": None}

    assert (made["eventTypes"], made["description"], made["status"]) == (["usage.reset"], "mine", "ENABLED")
    assert (await caller.rest("GET", "/webhook-endpoints"))["data"] == [shown]
    changed = await caller.rest("PATCH", path, eventTypes=None, url=f"{URL}2")
    assert changed == shown | {"eventTypes": [], "url": f"{URL}2", "updatedAt": changed["updatedAt"]}
    rolled = await caller.rest("POST", f"{path}/roll-secret")
    assert rolled["secret"] not in (None, made["secret"])
    assert (await caller.rest("DELETE", path))["id"] == made["id"]
    assert (await caller.http.get(f"/v1{path}")).status_code == 404


async def test_deliveries_are_the_same_at_both_doors_newest_first_in_pages(
    caller: Caller, hooked: dict[str, Any]
) -> None:
    id_, path = hooked["id"], f"/webhook-endpoints/{hooked['id']}/deliveries"
    test, threshold = (await caller.rest("GET", path))["data"]

    assert (test["eventType"], test["userId"], test["data"]) == ("webhook.test", None, {"endpointId": id_})
    assert (threshold["eventType"], threshold["userId"]) == ("usage.threshold", "ada")
    assert (threshold["data"]["threshold"], threshold["data"]["used"], threshold["data"]["limit"]) == (80, 8, 10)
    assert (threshold["status"], threshold["attempts"]) == ("PENDING", 0)
    everything = f'{{ all: webhookDeliveries(endpointId: "{id_}") {DELIVERY} }}'
    assert await caller.data(everything) == {"all": [test, threshold]}
    later = f'{{ all: webhookDeliveries(endpointId: "{id_}", first: 1, after: "{test["id"]}") {DELIVERY} }}'
    assert await caller.data(later) == {"all": [threshold]}
    assert await caller.rest("GET", f"{path}?limit=1") == {"data": [test], "hasMore": True}
    assert await caller.rest("GET", f"{path}?limit=1&startingAfter={test['id']}") == {
        "data": [threshold],
        "hasMore": False,
    }


async def test_what_was_given_up_is_listed_and_asked_for_again_at_both_doors(
    caller: Caller, hooked: dict[str, Any]
) -> None:
    id_, path = hooked["id"], f"/webhook-endpoints/{hooked['id']}"
    again = f'mutation {{ all: redeliverDeadWebhooks(endpointId: "{id_}") {{ count }} }}'
    dead = f'{{ all: webhookDeliveries(endpointId: "{id_}", status: DEAD) {DELIVERY} }}'

    for _ in range(2):
        await caller.rest("PATCH", path, status="DISABLED")
        await caller.rest("PATCH", path, status="ENABLED")
        listed = (await caller.rest("GET", f"{path}/deliveries?status=DEAD"))["data"]
        assert [each["status"] for each in listed] == ["DEAD", "DEAD"]
        assert await caller.data(dead) == {"all": listed}
        one = f'mutation {{ one: redeliverWebhook(deliveryId: "{listed[0]["id"]}") {DELIVERY} }}'
        told = (await caller.data(one))["one"]
        assert told == listed[0] | {
            "status": "PENDING",
            "settledAt": None,
            "nextAttemptAt": told["nextAttemptAt"],
        }
        assert (await caller.rest("POST", f"/webhook-deliveries/{listed[1]['id']}/redeliver"))["status"] == "PENDING"

    await caller.rest("PATCH", path, status="DISABLED")
    await caller.rest("PATCH", path, status="ENABLED")
    assert await caller.data(again) == {"all": {"count": 2}}
    assert await caller.rest("POST", f"{path}/redeliver") == {"count": 0}


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ({"url": "http://example.com/"}, "url", "must begin with https://"),
        ({"url": "https://10.0.0.1/"}, "url", "must be reachable on the public internet, which 10.0.0.1 is not"),
        ({"url": URL, "eventTypes": ["usage.never"]}, "eventTypes[0]", "Invalid enum value 'usage.never'"),
        (
            {"url": URL, "eventTypes": ["usage.reset", "usage.reset"]},
            "eventTypes[1]",
            "repeats 'usage.reset'",
        ),
        ({"url": URL, "description": "x" * 256}, "description", "must have at most 255 characters, has 256"),
    ],
)
async def test_what_no_endpoint_can_be_is_refused_in_the_same_words(
    caller: Caller, body: dict[str, Any], field: str, problem: str
) -> None:
    refused = await caller.http.post("/v1/webhook-endpoints", json=body)
    create = "mutation ($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { id } }"
    error = await caller.refusal(create, {"input": body})

    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert refused.json()["detail"] == error["message"] == f"{field}: {problem}"
    assert error["extensions"]["field"] == field


async def test_what_is_on_its_way_or_unknown_is_refused_in_the_same_words(
    caller: Caller, hooked: dict[str, Any]
) -> None:
    waiting = (await caller.rest("GET", f"/webhook-endpoints/{hooked['id']}/deliveries"))["data"][0]["id"]
    cases = [(waiting, 409, "WebhookError"), ("1", 404, "WebhookDeliveryNotFoundError")]
    for id_, status, name in cases:
        refused = await caller.http.post(f"/v1/webhook-deliveries/{id_}/redeliver")
        error = await caller.refusal(f'mutation {{ redeliverWebhook(deliveryId: "{id_}") {{ id }} }}')
        assert (refused.status_code, refused.json()["name"]) == (status, name)
        assert error["extensions"]["exception"]["name"] == name
        assert refused.json()["detail"] == error["message"]
    missing = await caller.http.get("/v1/webhook-endpoints/1")
    assert (missing.status_code, missing.json()["name"]) == (404, "WebhookEndpointNotFoundError")
    strange = await caller.http.get(f"/v1/webhook-endpoints/{hooked['id']}/deliveries?status=LOST")
    assert (strange.status_code, strange.json()["field"]) == (422, "status")


async def test_thresholds_of_a_feature_are_the_same_at_both_doors(caller: Caller) -> None:
    create = "mutation ($input: CreateFeatureInput!) { made: createFeature(input: $input) { usageThresholds } }"
    given = {"id": "calls", "type": "CONSUMABLE", "usageThresholds": [50, 90]}
    assert await caller.data(create, {"input": given}) == {"made": {"usageThresholds": [50, 90]}}
    assert (await caller.rest("GET", "/features/calls"))["usageThresholds"] == [50, 90]
    assert (await caller.rest("PATCH", "/features/calls", usageThresholds=[]))["usageThresholds"] == []
    update = 'mutation { made: updateFeature(id: "calls", input: {usageThresholds: null}) { usageThresholds } }'
    assert await caller.data(update) == {"made": {"usageThresholds": [80, 100]}}

    refused = await caller.http.patch("/v1/features/calls", json={"usageThresholds": [90, 50]})
    wrong = 'mutation { updateFeature(id: "calls", input: {usageThresholds: [90, 50]}) { id } }'
    error = await caller.refusal(wrong)
    assert refused.json()["detail"] == error["message"]
    assert error["message"] == "usageThresholds[1]: must be greater than the one before it"
