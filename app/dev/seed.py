"""`python -m app.dev.seed`: the example data of Kana's documents, made once, and the keys to play with, printed each time."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import click

from app import clock
from app.contract.actors import Actor
from app.contract.features import CreateFeature
from app.contract.packages import CreatePackage, EntitlementTerms, PackageFeatureTerms
from app.contract.shapes import Command, PageRequest
from app.contract.subscriptions import Subscribe
from app.contract.usage import RecordUsage, RecordUsages
from app.contract.users import CreateUser
from app.db import transaction
from app.dev.example_shop import PRICES, USER
from app.dev.home import Home
from app.domain.entitlements import FeatureType
from app.domain.keys import KeyKind
from app.domain.periods import ResetPeriod, boundary
from app.domain.subscribing import PackageStatus
from app.errors import AlreadyExistsError, AuthenticationError
from app.models import Subscription
from app.services import batches, billing, features, packages, subscriptions, tenants, users
from app.settings import settings

C = TypeVar("C", bound=Command)

APP = "demo"
TENANT = f"test_{APP}"
_KEYS_FILE = "keys.json"

_API_CALLS = CreateFeature(
    id="api-calls",
    name="API Calls",
    type=FeatureType.CONSUMABLE,
    unit_label="API Call",
    unit_label_plural="API Calls",
)
_MESSAGES = CreateFeature(
    id="messages",
    name="Messages",
    type=FeatureType.CONSUMABLE,
    unit_label="Message",
    unit_label_plural="Messages",
)
_SUPPORT = CreateFeature(id="priority-support", name="Priority Support", type=FeatureType.BINARY)


def _monthly(feature_id: str, limit: int) -> PackageFeatureTerms:
    return PackageFeatureTerms(id=feature_id, entitlement=EntitlementTerms(limit=limit, reset_period=ResetPeriod.MONTH))


_PRO_PLAN = CreatePackage(
    id="pro-plan", name="Pro Plan", features=[_monthly("api-calls", 1000), PackageFeatureTerms(id="priority-support")]
)
_FREE_TRIAL = CreatePackage(id="free-trial", name="Free Trial", features=[_monthly("api-calls", 100)])
_PROACTIVE_MESSAGING = CreatePackage(
    id="proactive-messaging", name="Proactive Messaging", is_addon=True, features=[_monthly("messages", 50)]
)
# Has been here for three months: the worker closes the months that are over as soon as it runs.
_REGULAR = CreateUser(id="200", name="Regular User")
_REGULARS_MONTHS = (420, 610, 380)


def seed(home: Path) -> dict[str, str]:
    """Make the example app unless it is there, and return keys of its test tenant.

    The database keeps only hashes, so the keys are kept in the home. Keys that the database does not know (it is another
    one now) are replaced.
    """
    keys: dict[str, str] = json.loads(Home(home).kept(_KEYS_FILE) or "{}")
    if not _known(keys.get("METERLINE_ADMIN_KEY", "")):
        keys = _make_keys()
        Home(home).keep(_KEYS_FILE, json.dumps(keys))
    _make_catalogue(tenants.authenticate_secret_key(keys["METERLINE_ADMIN_KEY"]))
    return keys


def _known(secret_key: str) -> bool:
    try:
        tenants.authenticate_secret_key(secret_key)
    except AuthenticationError:
        return False
    return True


def _make_keys() -> dict[str, str]:
    try:
        test, _ = tenants.create_app(APP, "Demo")
        return {"METERLINE_ADMIN_KEY": test.secret_key, "METERLINE_PUBLIC_KEY": test.public_key}
    except AlreadyExistsError:
        return {
            "METERLINE_ADMIN_KEY": tenants.create_key(TENANT, KeyKind.SECRET),
            "METERLINE_PUBLIC_KEY": tenants.create_key(TENANT, KeyKind.PUBLIC),
        }


def _make_catalogue(actor: Actor) -> None:
    """Step by step what is not there yet, so that a start that was killed halfway is completed by the next."""
    for feature in (_API_CALLS, _MESSAGES, _SUPPORT):
        _unless_there(features.create_feature, actor, feature)
    for package in (_PRO_PLAN, _FREE_TRIAL, _PROACTIVE_MESSAGING):
        _unless_there(packages.create_package, actor, package)
        if packages.get_package(actor, package.id).status is PackageStatus.DRAFT:
            packages.publish_package(actor, package.id)
    for price in PRICES:
        _unless_there(billing.link_price, actor, price)
    _unless_there(users.create_user, actor, USER)
    # What a developer has cancelled stays cancelled.
    if not subscriptions.list_subscriptions(actor, PageRequest(limit=1), USER.id).data:
        subscriptions.subscribe(actor, Subscribe(user_id=USER.id, package_ids=[_PRO_PLAN.id]))
    _unless_there(users.create_user, actor, _REGULAR)
    if not subscriptions.list_subscriptions(actor, PageRequest(limit=1), _REGULAR.id).data:
        _subscribe_in_the_past(actor)


def _subscribe_in_the_past(actor: Actor) -> None:
    """As if it had been three months ago, with what was used in each month since."""
    (made,) = subscriptions.subscribe(actor, Subscribe(user_id=_REGULAR.id, package_ids=[_PRO_PLAN.id]))
    began = boundary(clock.now(), ResetPeriod.MONTH, -len(_REGULARS_MONTHS)) - timedelta(days=1)
    with transaction() as session:
        session.get_one(Subscription, (actor.tenant_id, int(made.id))).started_at = began
    events = [
        RecordUsage(
            user_id=_REGULAR.id,
            feature_id=_API_CALLS.id,
            delta=used,
            timestamp=boundary(began, ResetPeriod.MONTH, month) + timedelta(days=9),
            idempotency_key=f"seed-{month}",
        )
        for month, used in enumerate(_REGULARS_MONTHS)
    ]
    batches.record_batch(actor, RecordUsages(events=events))


def _unless_there(create: Callable[[Actor, C], object], actor: Actor, command: C) -> None:
    with suppress(AlreadyExistsError):
        create(actor, command)


@click.command(help=__doc__)
def main() -> None:
    for name, value in seed(settings().home).items():
        click.echo(f"{name}={value}")


if __name__ == "__main__":
    main()
