"""Reservations: who can hold how much, and by which terms it is settled."""

import pytest

from app.contract.actors import Actor
from app.contract.packages import PackageFeatureTerms
from app.contract.reservations import CommitReservation, ReservedUsage, ReserveUsage
from app.contract.usage import Consumption, RecordUsage
from app.domain.entitlements import NO_SUBSCRIPTION, FeatureType
from app.domain.metering import BINARY_HAS_NO_USAGE, LIMIT_WOULD_BE_EXCEEDED, TOTAL_OUT_OF_RANGE, Enforcement
from app.domain.values import INT32_MAX
from app.errors import FeatureNotFoundError, UserNotFoundError
from app.services.reservations import commit_reservation, release_reservation, reserve_usage
from app.services.usage import record_usage
from tests.services.shop import NOWHERE, SET, Shop, counted
from tests.tenants import Tenant


@pytest.fixture
def shop(tenant: Tenant) -> Shop:
    """Ada may use 500 credits a month."""
    shop = Shop(tenant.actor)
    shop.feature()
    shop.package("pro", counted(500))
    shop.user("ada")
    shop.subscribe("pro")
    return shop


def reserve(shop: Shop, delta: int) -> ReservedUsage:
    return reserve_usage(shop.actor, ReserveUsage(user_id="ada", feature_id="calls", delta=delta))


def of(used: int, reserved: int = 0, *, budget: int = 500) -> Consumption:
    return Consumption(used=used, budget=budget, overage_enabled=False, reserved=reserved)


def test_with_overage_or_without_a_limit_everything_can_be_held_and_settled(tenant: Tenant) -> None:
    shop = Shop(tenant.actor)
    for feature_id in ("calls", "mails"):
        shop.feature(feature_id)
    shop.package("pro", counted(10, overage=True), counted(None, feature_id="mails"))
    shop.user("ada")
    shop.subscribe("pro")

    for feature_id, budget, overage in (("calls", 10, True), ("mails", None, False)):
        command = ReserveUsage(user_id="ada", feature_id=feature_id, delta=25)
        made = reserve_usage(shop.actor, command)
        assert made.consumption == Consumption(used=0, budget=budget, overage_enabled=overage, reserved=25)
        settled = commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=40))
        assert settled.consumption == Consumption(used=40, budget=budget, overage_enabled=overage, reserved=0)


@pytest.mark.parametrize("enforcement", Enforcement)
def test_without_a_subscription_or_on_a_binary_feature_nothing_can_be_held(
    shop: Shop, enforcement: Enforcement
) -> None:
    shop.feature("sso", FeatureType.BINARY)
    shop.package("addon", PackageFeatureTerms(id="sso"), is_addon=True)
    shop.subscribe("addon")
    shop.user("bob")
    actor = Actor(shop.actor.tenant_id, shop.actor.app_id, enforcement)

    for user_id, feature_id, reason in (
        ("bob", "calls", NO_SUBSCRIPTION),
        ("ada", "sso", BINARY_HAS_NO_USAGE),
        ("bob", "sso", BINARY_HAS_NO_USAGE),
    ):
        assert reserve_usage(actor, ReserveUsage(user_id=user_id, feature_id=feature_id)) == ReservedUsage(
            reserved=False, reason=reason, duplicate=False, reservation=None, consumption=None
        )
    assert shop.rows("reservations", "usage_events") == {"reservations": [], "usage_events": []}


def test_an_unknown_user_or_feature_is_an_error_and_the_user_is_looked_for_first(shop: Shop) -> None:
    with pytest.raises(UserNotFoundError):
        reserve_usage(shop.actor, ReserveUsage(user_id=NOWHERE, feature_id=NOWHERE))
    with pytest.raises(FeatureNotFoundError):
        reserve_usage(shop.actor, ReserveUsage(user_id="ada", feature_id=NOWHERE))
    assert shop.rows("reservations", "consumptions") == {"reservations": [], "consumptions": []}


def test_what_one_user_holds_of_one_feature_is_nobody_elses_matter(tenant: Tenant) -> None:
    shop = Shop(tenant.actor)
    for feature_id in ("calls", "mails"):
        shop.feature(feature_id)
    shop.package("pro", counted(10), counted(10, feature_id="mails"))
    for user_id in ("ada", "bob"):
        shop.user(user_id)
        shop.subscribe("pro", user_id=user_id)
    made = reserve(shop, 10)

    assert shop.access(10, user_id="bob").consumption == of(0, 0, budget=10)
    assert shop.access(10, feature_id="mails").consumption == of(0, 0, budget=10)
    bobs = reserve_usage(shop.actor, ReserveUsage(user_id="bob", feature_id="calls", delta=10))
    commit_reservation(shop.actor, bobs.reservation.id, CommitReservation(delta=4))
    assert shop.access().consumption == of(0, 10, budget=10)
    commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=3))
    assert shop.access().consumption == of(3, budget=10)
    assert shop.access(user_id="bob").consumption == of(4, budget=10)


def test_a_tenant_that_records_over_the_limit_can_hold_and_settle_over_it_too(shop: Shop) -> None:
    lenient = Actor(shop.actor.tenant_id, shop.actor.app_id, Enforcement.RECORD)
    over = reserve_usage(lenient, ReserveUsage(user_id="ada", feature_id="calls", delta=501))
    assert (over.reserved, over.consumption) == (True, of(0, 501))
    assert shop.record().reason == LIMIT_WOULD_BE_EXCEEDED
    release_reservation(shop.actor, over.reservation.id)
    made = reserve(shop, 100)

    refused = commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=501))
    assert (refused.recorded, refused.reason, refused.consumption) == (False, LIMIT_WOULD_BE_EXCEEDED, of(0, 100))
    settled = commit_reservation(lenient, made.reservation.id, CommitReservation(delta=501))
    assert (settled.recorded, settled.consumption) == (True, of(501))


def test_what_was_held_is_settled_even_if_more_was_used_meanwhile_than_is_given(shop: Shop) -> None:
    lenient = Actor(shop.actor.tenant_id, shop.actor.app_id, Enforcement.RECORD)
    made = reserve(shop, 100)
    record_usage(lenient, RecordUsage(user_id="ada", feature_id="calls", delta=600))

    refused = commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=101))
    assert (refused.recorded, refused.reason, refused.consumption) == (False, LIMIT_WOULD_BE_EXCEEDED, of(600, 100))
    settled = commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=100))
    assert (settled.recorded, settled.consumption) == (True, of(700))


def test_an_amount_that_an_int_could_not_carry_with_what_is_used_is_not_held(tenant: Tenant) -> None:
    shop = Shop(tenant.actor)
    shop.feature()
    shop.package("free", counted(None))
    shop.user("ada")
    shop.subscribe("free")
    shop.record(INT32_MAX - 10)

    made = reserve(shop, 10)
    assert (made.reserved, made.consumption.reserved) == (True, 10)
    assert reserve(shop, 1).reason == TOTAL_OUT_OF_RANGE
    assert shop.record(1).reason == TOTAL_OUT_OF_RANGE
    assert shop.record(INT32_MAX - 9, SET).reason == TOTAL_OUT_OF_RANGE
    assert commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=11)).reason == TOTAL_OUT_OF_RANGE
    settled = commit_reservation(shop.actor, made.reservation.id, CommitReservation())
    assert (settled.recorded, settled.consumption.used) == (True, INT32_MAX)


@pytest.mark.parametrize("afterwards", ["cancelled", "changed to less"])
def test_a_reservation_is_settled_by_the_terms_it_was_granted_by(shop: Shop, afterwards: str) -> None:
    shop.package("small", counted(1))
    (subscription,) = shop.subscriptions()
    made = reserve(shop, 100)
    if afterwards == "cancelled":
        shop.cancel(subscription.id)
    else:
        shop.change(subscription.id, "small")

    too_much = commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=501))
    assert (too_much.recorded, too_much.consumption) == (False, of(0, 100))
    settled = commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=150))
    assert (settled.recorded, settled.consumption) == (True, of(150))
