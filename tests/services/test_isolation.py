"""Another tenant's ids are as unknown as ids that nobody has: the same error, the same words, and nothing is touched."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from app.contract.billing import CreateBillingTemplate, LinkPrice, UpdateBillingTemplate
from app.contract.features import UpdateFeature
from app.contract.packages import DuplicatePackage, PackageFeatureTerms, UpdatePackage
from app.contract.shapes import PageRequest
from app.contract.usage import CheckAccess
from app.contract.usage_history import ReadUsageSeries
from app.contract.users import UpdateUser
from app.domain.usage_history import SeriesInterval
from app.errors import CallerError
from app.services import billing, entitlements, features, packages, subscriptions, tokens, users
from app.services.explanations import explain
from app.services.usage_history import list_usage_events, usage_series
from tests.services.shop import Shop, counted

Call = Callable[[Shop, str], object]


def series_of(user_id: str, feature_id: str) -> ReadUsageSeries:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return ReadUsageSeries(
        user_id=user_id,
        feature_id=feature_id,
        start=start,
        end=start + timedelta(days=1),
        interval=SeriesInterval.HOUR,
    )


CALLS: dict[str, Call] = {
    "get_feature": lambda shop, id_: features.get_feature(shop.actor, id_),
    "update_feature": lambda shop, id_: features.update_feature(shop.actor, id_, UpdateFeature(name="mine")),
    "delete_feature": lambda shop, id_: features.delete_feature(shop.actor, id_),
    "list_features": lambda shop, id_: features.list_features(shop.actor, PageRequest(starting_after=id_)),
    "create_package/feature": lambda shop, id_: shop.draft("new", PackageFeatureTerms(id=id_)),
    "create_package/base": lambda shop, id_: shop.draft("new", is_addon=True, base_package_ids=[id_]),
    "get_package": lambda shop, id_: packages.get_package(shop.actor, id_),
    "update_package": lambda shop, id_: packages.update_package(shop.actor, id_, UpdatePackage(metadata={})),
    "publish_package": lambda shop, id_: packages.publish_package(shop.actor, id_),
    "archive_package": lambda shop, id_: packages.archive_package(shop.actor, id_),
    "duplicate_package": lambda shop, id_: packages.duplicate_package(shop.actor, id_, DuplicatePackage(new_id="new")),
    "delete_package": lambda shop, id_: packages.delete_package(shop.actor, id_),
    "list_packages": lambda shop, id_: packages.list_packages(shop.actor, PageRequest(starting_after=id_), None),
    "get_user": lambda shop, id_: users.get_user(shop.actor, id_),
    "update_user": lambda shop, id_: users.update_user(shop.actor, id_, UpdateUser(name="mine")),
    "list_users": lambda shop, id_: users.list_users(shop.actor, PageRequest(starting_after=id_)),
    "generate_user_token": lambda shop, id_: tokens.generate_user_token(shop.actor, id_),
    "subscribe/user": lambda shop, id_: shop.subscribe("own", user_id=id_),
    "subscribe/package": lambda shop, id_: shop.subscribe(id_, user_id="own"),
    "get_subscription": lambda shop, id_: shop.subscription(id_),
    "cancel_subscription": lambda shop, id_: shop.cancel(id_),
    "change_subscription": lambda shop, id_: shop.change(id_, "own"),
    "list_subscriptions/user": lambda shop, id_: subscriptions.list_subscriptions(shop.actor, PageRequest(), id_),
    "list_subscriptions/after": lambda shop, id_: subscriptions.list_subscriptions(
        shop.actor, PageRequest(starting_after=id_), None
    ),
    "record_usage/user": lambda shop, id_: shop.record(user_id=id_, feature_id="own"),
    "record_usage/feature": lambda shop, id_: shop.record(user_id="own", feature_id=id_),
    "check_access/user": lambda shop, id_: shop.access(user_id=id_, feature_id="own"),
    "check_access/feature": lambda shop, id_: shop.access(user_id="own", feature_id=id_),
    "show_usage/user": lambda shop, id_: entitlements.show_usage(shop.actor, id_, "own"),
    "show_usage/feature": lambda shop, id_: entitlements.show_usage(shop.actor, "own", id_),
    "explain/user": lambda shop, id_: explain(shop.actor, CheckAccess(user_id=id_, feature_id="own")),
    "explain/feature": lambda shop, id_: explain(shop.actor, CheckAccess(user_id="own", feature_id=id_)),
    "list_usage_events/user": lambda shop, id_: list_usage_events(shop.actor, PageRequest(), id_, "own"),
    "list_usage_events/feature": lambda shop, id_: list_usage_events(shop.actor, PageRequest(), "own", id_),
    "list_usage_events/after": lambda shop, id_: list_usage_events(
        shop.actor, PageRequest(starting_after=id_), "own", "own"
    ),
    "usage_series/user": lambda shop, id_: usage_series(shop.actor, series_of(id_, "own")),
    "usage_series/feature": lambda shop, id_: usage_series(shop.actor, series_of("own", id_)),
    "create_billing_template": lambda shop, id_: billing.create_billing_template(
        shop.actor, CreateBillingTemplate(id="t", package_id=id_, price_id="price_1")
    ),
    "get_billing_template": lambda shop, id_: billing.get_billing_template(shop.actor, id_),
    "update_billing_template": lambda shop, id_: billing.update_billing_template(
        shop.actor, id_, UpdateBillingTemplate(active=False)
    ),
    "list_billing_templates/package": lambda shop, id_: billing.list_billing_templates(shop.actor, PageRequest(), id_),
    "list_billing_templates/after": lambda shop, id_: billing.list_billing_templates(
        shop.actor, PageRequest(starting_after=id_), None
    ),
    "link_price": lambda shop, id_: billing.link_price(
        shop.actor, LinkPrice(id="t", package_id=id_, price_id="price_1", amount=1, currency="gbp")
    ),
}


@pytest.fixture
def theirs(other_shop: Shop) -> str:
    """The id that another tenant's feature, package and user have, and its subscription's."""
    return "secret-sauce"


@pytest.fixture
def stocked(shop: Shop, other_shop: Shop, theirs: str) -> tuple[Shop, Shop, str]:
    """Both shops have something of each kind, each under its own id; the other shop's subscription id."""
    made = ""
    for owner, id_ in ((shop, "own"), (other_shop, theirs)):
        owner.feature(id_)
        owner.package(id_, counted(10, feature_id=id_))
        owner.user(id_)
        price = LinkPrice(id=id_, package_id=id_, price_id="price_1", amount=1, currency="gbp")
        billing.link_price(owner.actor, price)
        made = owner.subscribe(id_, user_id=id_)[0].id
    return shop, other_shop, made


def refusal(call: Call, shop: Shop, id_: str) -> tuple[type[CallerError], str]:
    with pytest.raises(CallerError) as refused:
        call(shop, id_)
    return type(refused.value), refused.value.message.replace(id_, "<id>")


@pytest.mark.parametrize("name", CALLS)
def test_another_tenants_id_is_as_unknown_as_nobodys(stocked: tuple[Shop, Shop, str], theirs: str, name: str) -> None:
    shop, other_shop, their_subscription = stocked
    is_number = "_subscription" in name.partition("/")[0] and not name.endswith("/user")
    foreign, nobodys = (their_subscription, "987654321") if is_number else (theirs, "nobodys-id")
    before = shop.rows(), other_shop.rows()

    assert refusal(CALLS[name], shop, foreign) == refusal(CALLS[name], shop, nobodys)
    assert (shop.rows(), other_shop.rows()) == before


def test_loaders_answer_as_if_another_tenants_objects_were_not_there(
    stocked: tuple[Shop, Shop, str], theirs: str
) -> None:
    shop, _, _ = stocked
    assert packages.packages_by_id(shop.actor, [theirs]) == {}
    assert packages.packages_holding(shop.actor, [theirs]) == {theirs: []}


PLAIN_IDS = [name for name in CALLS if "_subscription" not in name or name.endswith("/user")]


@pytest.mark.parametrize("bad_id", ["a\0b", "\ud800", "x" * 256], ids=["nul", "surrogate", "long"])
@pytest.mark.parametrize("name", PLAIN_IDS)
def test_what_is_no_id_is_refused_before_the_database_sees_it(
    stocked: tuple[Shop, Shop, str], name: str, bad_id: str
) -> None:
    shop, _, _ = stocked
    with pytest.raises(CallerError) as refused:
        CALLS[name](shop, bad_id)
    assert refused.value.name == "InvalidInputError"
