"""The request and response pairs of Kana's documents, run against the whole application."""

import base64
import json
import re
from typing import Any

import pytest
from freezegun import freeze_time

from app.contract.actors import Actor
from app.contract.billing import LinkPrice
from app.services.billing import link_price
from app.services.packages import publish_package
from tests.contract import documented
from tests.contract.callers import Caller
from tests.tenants import Tenant

_MADE = "2021-11-25T16:57:42.778Z"
_ADDON_MADE = "2021-11-27T18:25:10.081Z"
_PUBLISHED = "2022-05-10T12:39:08.965Z"

_MESSAGES = {
    "id": "messages",
    "name": "Messages",
    "type": "CONSUMABLE",
    "unitLabel": "Message",
    "unitLabelPlural": "Message",
    "metadata": {},
}
_LIMITED_CALLS = documented.in_package("1000", documented.API_CALLS)


@pytest.fixture
async def caller(documents_caller: Caller) -> Caller:
    return documents_caller


async def _create_pro_plan(caller: Caller) -> dict[str, Any]:
    await caller.data(documented.CREATE_FEATURE, documented.CREATE_FEATURE_VARIABLES)
    with freeze_time(_MADE, real_asyncio=True):
        return await caller.data(documented.CREATE_PACKAGE, documented.CREATE_PACKAGE_VARIABLES)


def _link_price(actor: Actor, package_id: str, price: dict[str, Any]) -> None:
    """What only Kana's dashboard could do."""
    command = LinkPrice(
        id=f"{package_id}-price",
        package_id=package_id,
        price_id=price["id"],
        amount=price["amount"],
        currency=price["currency"],
        interval=price["interval"],
    )
    link_price(actor, command)


async def test_create_feature(caller: Caller) -> None:
    data = await caller.data(documented.CREATE_FEATURE, documented.CREATE_FEATURE_VARIABLES)

    assert data == {"createFeature": documented.API_CALLS}


async def test_create_package(caller: Caller) -> None:
    data = await _create_pro_plan(caller)

    # Printed with a price, though the same page says that a price is put to a package later.
    assert data == {"createPackage": documented.package("pro-plan", "Pro Plan", "DRAFT", _MADE, _LIMITED_CALLS, None)}


async def test_update_feature(caller: Caller, tenant: Tenant) -> None:
    await _create_pro_plan(caller)
    _link_price(tenant.actor, "pro-plan", documented.FIFTY_POUNDS_A_MONTH)
    with freeze_time(_PUBLISHED, real_asyncio=True):
        publish_package(tenant.actor, "pro-plan")

    data = await caller.data(documented.UPDATE_FEATURE, documented.UPDATE_FEATURE_VARIABLES)

    printed = documented.package(
        "pro-plan", "Pro Plan", "PUBLISHED", _PUBLISHED, _LIMITED_CALLS, documented.FIFTY_POUNDS_A_MONTH
    )
    del printed["metadata"]  # printed, though the request does not ask for a package's metadata
    assert data == {"updateFeature": {**documented.API_CALLS, "packages": [printed]}}


async def test_update_package(caller: Caller, tenant: Tenant) -> None:
    await _create_pro_plan(caller)
    _link_price(tenant.actor, "pro-plan", documented.FIFTY_POUNDS_A_MONTH)

    with freeze_time(_MADE, real_asyncio=True):
        data = await caller.data(documented.UPDATE_PACKAGE, documented.UPDATE_PACKAGE_VARIABLES)

    assert data == {
        "updatePackage": documented.package(
            "pro-plan", "Pro Plan", "DRAFT", _MADE, _LIMITED_CALLS, documented.FIFTY_POUNDS_A_MONTH
        )
    }


async def test_create_user(caller: Caller) -> None:
    data = await caller.data(documented.CREATE_USER, documented.CREATE_USER_VARIABLES)

    assert data == {"createUser": documented.TEST_USER}


async def test_update_user(caller: Caller) -> None:
    await caller.data(documented.CREATE_USER, documented.CREATE_USER_VARIABLES)

    data = await caller.data(documented.UPDATE_USER, documented.UPDATE_USER_VARIABLES)

    # Printed under the key `createUser`, which no GraphQL server can answer to this request.
    assert data == {"updateUser": {**documented.TEST_USER, "id": "125", "name": "Updated User"}}


async def test_subscribe(caller: Caller, tenant: Tenant) -> None:
    await _sell_trial_and_messaging(caller, tenant.actor)
    await caller.data(documented.CREATE_USER, documented.CREATE_USER_VARIABLES)

    data = await caller.data(documented.SUBSCRIBE, documented.SUBSCRIBE_VARIABLES)

    first, second = data["subscribe"]
    # Printed as "2" and "3": numbers of Kana's making. Ours are numbers too, the second one greater.
    assert int(first.pop("id")) < int(second.pop("id"))
    # The second was printed as CANCELLED at the moment it is made, and the first with metadata that was not asked for.
    assert data["subscribe"] == [
        {
            "userId": "124",
            "status": "ACTIVE",
            "package": documented.package(
                "free-trial", "Free Trial", "PUBLISHED", _MADE, _LIMITED_CALLS, documented.FIFTY_POUNDS_A_MONTH
            ),
        },
        {
            "userId": "124",
            "status": "ACTIVE",
            "package": documented.package(
                "proactive-messaging",
                "Proactive Messaging",
                "PUBLISHED",
                _ADDON_MADE,
                documented.in_package("50", _MESSAGES),
                documented.TWENTY_POUNDS_ONCE,
            ),
        },
    ]


@pytest.mark.parametrize(
    ("package_ids", "message"),
    [
        (["proactive-messaging"], "Cannot subscribe to addon. Missing live tier subscription."),
        (["free-trial", "pro-plan"], "Cannot subscribe to multiple tiers"),
        (["gold-plan"], "Package Id not found for app"),
    ],
)
async def test_the_errors_of_subscribe(caller: Caller, tenant: Tenant, package_ids: list[str], message: str) -> None:
    await _sell_trial_and_messaging(caller, tenant.actor)
    await caller.data(documented.CREATE_PACKAGE, documented.CREATE_PACKAGE_VARIABLES)
    publish_package(tenant.actor, "pro-plan")
    await caller.data(documented.CREATE_USER, documented.CREATE_USER_VARIABLES)

    error = await caller.refusal(documented.SUBSCRIBE_BRIEFLY, {"packageIds": package_ids, "userId": "124"})

    # Ours says more under `exception`, where Kana's client looks for the error's class.
    assert error["extensions"].pop("exception")["message"] == message
    assert error == {
        "message": message,
        "locations": [{"line": 2, "column": 3}],
        "path": ["subscribe"],
        "extensions": {"code": "BAD_USER_INPUT"},
    }
    assert (await caller.data("{ subscriptions { id } }")) == {"subscriptions": []}


async def test_record_usage(caller: Caller, tenant: Tenant) -> None:
    await _sell_trial_and_messaging(caller, tenant.actor)
    await caller.data(documented.CREATE_USER, documented.CREATE_USER_VARIABLES)
    await caller.data(documented.SUBSCRIBE, documented.SUBSCRIBE_VARIABLES)

    data = await caller.data(documented.RECORD_USAGE, documented.RECORD_USAGE_VARIABLES)

    assert data == {"recordUsage": {"recorded": True, "reason": None}}


async def test_generate_user_token(caller: Caller, tenant: Tenant) -> None:
    await caller.data(documented.CREATE_USER, documented.CREATE_USER_VARIABLES)

    with freeze_time("2022-05-11T09:53:35Z", real_asyncio=True):
        data = await caller.data(documented.GENERATE_USER_TOKEN, {"userId": "124"})

    assert set(data["generateUserToken"]) == {"token"}
    header, claims = (_decoded(part) for part in data["generateUserToken"]["token"].split(".")[:2])
    assert (header["alg"], header["typ"]) == ("HS256", "JWT")
    # The documented token's times; its `appId` and `iss` are Kana's.
    assert claims == {
        "appId": tenant.app_id,
        "userId": "124",
        "iat": 1652262815,
        "exp": 1654854815,
        "aud": "kana-client",
        "iss": "meterline",
    }
    assert re.fullmatch(r"test_[a-z0-9-]+", claims["appId"])


async def _sell_trial_and_messaging(caller: Caller, actor: Actor) -> None:
    await caller.data(documented.CREATE_FEATURE, documented.CREATE_FEATURE_VARIABLES)
    await caller.data(documented.CREATE_FEATURE, {"input": _MESSAGES})
    for package_id, name, made, feature_id, limit, price in (
        ("free-trial", "Free Trial", _MADE, "api-calls", 1000, documented.FIFTY_POUNDS_A_MONTH),
        ("proactive-messaging", "Proactive Messaging", _ADDON_MADE, "messages", 50, documented.TWENTY_POUNDS_ONCE),
    ):
        entitlement = {"limit": limit, "resetPeriod": "MONTH"}
        described = {
            "id": package_id,
            "name": name,
            "isAddon": package_id == "proactive-messaging",
            "features": [{"id": feature_id, "entitlement": entitlement}],
        }
        await caller.data(documented.CREATE_PACKAGE, {"input": described})
        _link_price(actor, package_id, price)
        with freeze_time(made, real_asyncio=True):
            publish_package(actor, package_id)


def _decoded(part: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded
