"""Subscriptions changed from two web processes at once: as if one call had come after the other."""

from typing import Any

import pytest

from app.domain.subscribing import MISSING_BASE, SECOND_BASE
from tests.races.books import Books
from tests.races.collision import collided
from tests.races.conftest import Ways
from tests.races.doors import RefusedError, Rest, answered, refused
from tests.races.shop import Shop

pytestmark = pytest.mark.processes

ROUNDS = 12


async def test_two_subscribes_to_two_bases_at_once_end_with_exactly_one_base(
    ways: Ways, shop: Shop, books: Books
) -> None:
    bases = [shop.package(), shop.package()]
    first, second = ways.rest
    for _ in range(ROUNDS):
        user = shop.user()

        calls = [
            rest.post("/v1/subscriptions", {"userId": user, "packageIds": [base]})
            for rest, base in zip((first, second, second, first), bases * 2, strict=True)
        ]
        outcomes = await collided(books, [("users", user)], calls)

        (made,) = answered(outcomes)
        assert [(one.status, one.name, one.detail) for one in refused(outcomes)] == [
            (409, "SubscriptionError", SECOND_BASE)
        ] * 3
        assert books.live_packages(user) == [(made["data"][0]["package"]["id"], False)]


async def test_an_addon_subscribed_while_its_base_is_cancelled_never_stays_without_a_base(
    ways: Ways, shop: Shop, books: Books
) -> None:
    base, addon = shop.package(), shop.package(is_addon=True)
    first, second = ways.rest
    for number in range(ROUNDS):
        user = shop.user()
        (subscription,) = shop.subscribe(user, base)
        cancel = first.post(f"/v1/subscriptions/{subscription}/cancel")
        subscribe = second.post("/v1/subscriptions", {"userId": user, "packageIds": [addon]})

        in_order = (cancel, subscribe) if number % 2 else (subscribe, cancel)
        outcomes = await collided(books, [("users", user)], in_order)

        assert [(one.status, one.detail) for one in refused(outcomes)] in ([], [(409, MISSING_BASE)])
        assert books.live_packages(user) == []


async def archive(rest: Rest, package: str, books: Books) -> dict[str, Any]:
    """The answer, and how many subscriptions there were the moment it came."""
    return {**await rest.post(f"/v1/packages/{package}/archive"), "subscriptions": len(books.starts_of(package))}


async def test_a_package_archived_while_users_subscribe_gets_no_subscription_after_that(
    ways: Ways, shop: Shop, books: Books
) -> None:
    first, second = ways.rest
    for _ in range(ROUNDS):
        package = shop.package()
        users = [shop.user() for _ in range(6)]
        calls = [
            rest.post("/v1/subscriptions", {"userId": user, "packageIds": [package]})
            for rest, user in zip(ways.rest * 3, users, strict=True)
        ]
        calls.insert(3, archive(first, package, books))

        outcomes = await collided(books, [("packages", package)], calls)

        archived = outcomes.pop(3)
        assert not isinstance(archived, RefusedError)
        assert {(one.status, one.name) for one in refused(outcomes)} <= {(409, "PackageStatusError")}
        starts = books.starts_of(package)
        assert len(starts) == len(answered(outcomes)) == archived["subscriptions"]
        assert all(start < books.updated_at(package) for start in starts)
        assert (await second.call("GET", f"/v1/packages/{package}"))["status"] == "ARCHIVED"


async def test_changes_of_one_subscription_at_once_end_in_one_of_the_bases(
    ways: Ways, shop: Shop, books: Books
) -> None:
    start, *others = [shop.package() for _ in range(4)]
    for _ in range(ROUNDS):
        user = shop.user()
        (subscription,) = shop.subscribe(user, start)

        calls = [
            rest.post(f"/v1/subscriptions/{subscription}/change", {"packageId": package})
            for rest, package in zip(ways.rest * 3, others * 2, strict=True)
        ]
        outcomes = await collided(books, [("users", user)], calls)

        answers = answered(outcomes)
        assert len(answers) == 6
        assert {answer["id"] for answer in answers} == {subscription}
        assert len({answer["startedAt"] for answer in answers}) == 1
        ((package, _),) = books.live_packages(user)
        assert package in others


async def test_a_base_changed_while_an_addon_is_subscribed_never_leaves_an_addon_that_does_not_go_with_it(
    ways: Ways, shop: Shop, books: Books
) -> None:
    base, other = shop.package(), shop.package()
    addon = shop.package(is_addon=True, bases=[base])
    first, second = ways.rest
    for number in range(ROUNDS):
        user = shop.user()
        (subscription,) = shop.subscribe(user, base)
        change = first.post(f"/v1/subscriptions/{subscription}/change", {"packageId": other})
        subscribe = second.post("/v1/subscriptions", {"userId": user, "packageIds": [addon]})

        in_order = (change, subscribe) if number % 2 else (subscribe, change)
        outcomes = await collided(books, [("users", user)], in_order)

        (refusal,) = refused(outcomes)
        assert (refusal.status, refusal.name) == (409, "SubscriptionError")
        assert books.live_packages(user) in ([(other, False)], sorted([(base, False), (addon, True)]))


async def test_a_change_and_a_cancel_at_once_end_cancelled(ways: Ways, shop: Shop, books: Books) -> None:
    base, other = shop.package(), shop.package()
    first, second = ways.rest
    for number in range(ROUNDS):
        user = shop.user()
        (subscription,) = shop.subscribe(user, base)
        change = first.post(f"/v1/subscriptions/{subscription}/change", {"packageId": other})
        cancel = second.post(f"/v1/subscriptions/{subscription}/cancel")

        in_order = (change, cancel) if number % 2 else (cancel, change)
        outcomes = await collided(books, [("users", user)], in_order)

        assert [(one.status, one.name) for one in refused(outcomes)] in ([], [(409, "SubscriptionError")])
        assert books.live_packages(user) == []
        ended = await first.call("GET", f"/v1/subscriptions/{subscription}")
        assert ended["status"] == "CANCELLED"
        assert ended["package"]["id"] == (base if refused(outcomes) else other)
