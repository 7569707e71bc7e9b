"""Ids that two callers want, and things that go while another call needs them, from two web processes at once."""

from typing import Any

import pytest

from tests.races.books import Books
from tests.races.collision import collided
from tests.races.conftest import Ways
from tests.races.doors import RefusedError, answered, at_once, refused
from tests.races.shop import Shop

pytestmark = pytest.mark.processes

ROUNDS = 12


def errors(outcomes: list[Any]) -> list[tuple[int, str]]:
    return [(one.status, one.name) for one in refused(outcomes)]


@pytest.mark.parametrize(
    ("path", "fields"),
    [("features", {"type": "CONSUMABLE"}), ("packages", {"features": []}), ("users", {})],
    ids=["features", "packages", "users"],
)
async def test_of_eight_creations_of_one_id_at_once_one_works_and_seven_are_conflicts(
    path: str, fields: dict[str, Any], ways: Ways
) -> None:
    outcomes = await at_once(
        rest.post(f"/v1/{path}", {"id": "wanted", "name": f"try {number}", **fields})
        for number, rest in enumerate(ways.rest * 4)
    )

    (made,) = answered(outcomes)
    assert errors(outcomes) == [(409, "AlreadyExistsError")] * 7
    assert (await ways.rest[0].call("GET", f"/v1/{path}/wanted"))["name"] == made["name"]


async def test_of_two_renames_to_one_id_at_once_one_works(ways: Ways, shop: Shop, books: Books) -> None:
    for number in range(ROUNDS):
        users, wanted = [shop.user(), shop.user()], f"wanted-{number}"

        outcomes = await at_once(
            rest.call("PATCH", f"/v1/users/{user}", {"id": wanted}) for rest, user in zip(ways.rest, users, strict=True)
        )

        assert len(answered(outcomes)) == 1
        assert errors(outcomes) == [(409, "AlreadyExistsError")]
        left = users[[isinstance(one, RefusedError) for one in outcomes].index(True)]
        assert (await ways.rest[0].call("GET", f"/v1/users/{left}"))["id"] == left


async def test_two_users_renamed_to_each_others_ids_at_once_both_keep_theirs(
    ways: Ways, shop: Shop, books: Books
) -> None:
    for _ in range(4):
        users = [shop.user(), shop.user()]

        calls = [
            rest.call("PATCH", f"/v1/users/{user}", {"id": wanted})
            for rest, user, wanted in zip(ways.rest, users, reversed(users), strict=True)
        ]
        outcomes = await collided(books, [("users", user) for user in users], calls)

        assert set(errors(outcomes)) <= {(409, "AlreadyExistsError"), (503, "OverloadedError")}
        assert len(errors(outcomes)) == 2
        for user in users:
            assert (await ways.rest[0].call("GET", f"/v1/users/{user}"))["id"] == user


async def test_a_user_renamed_while_usage_is_recorded_loses_none_of_it(ways: Ways, shop: Shop, books: Books) -> None:
    package = shop.package(feature := shop.feature())
    for _ in range(ROUNDS):
        user = shop.user(package)
        calls = [rest.record(userId=user, featureId=feature, delta=1) for rest in ways.rest * 4]
        calls.insert(4, ways.rest[0].call("PATCH", f"/v1/users/{user}", {"id": f"{user}-renamed"}))

        # The user's first counter points to their row, so each process's batch has to wait for it as the rename does.
        outcomes = await collided(books, [("users", user)], calls, waiting=1 + len(ways.rest))

        renamed = outcomes.pop(4)
        assert not isinstance(renamed, RefusedError)
        assert set(errors(outcomes)) <= {(404, "UserNotFoundError")}
        assert books.used(f"{user}-renamed") == len(answered(outcomes))


async def test_a_feature_deleted_while_a_package_takes_it_is_either_deleted_or_held(
    ways: Ways, shop: Shop, books: Books
) -> None:
    first, second = ways.rest
    for number in range(ROUNDS):
        feature = shop.feature()
        delete = first.call("DELETE", f"/v1/features/{feature}")
        create = second.post("/v1/packages", {"id": f"holder-{number}", "features": [{"id": feature}]})

        in_order = (delete, create) if number % 2 else (create, delete)
        outcomes = await collided(books, [("features", feature)], in_order)

        assert len(answered(outcomes)) == 1
        if "features" in answered(outcomes)[0]:
            assert errors(outcomes) == [(409, "InUseError")]
            assert (await first.call("GET", f"/v1/features/{feature}"))["id"] == feature
        else:
            assert errors(outcomes) == [(422, "InvalidInputError")]
            assert (await status_of(second.call("GET", f"/v1/packages/holder-{number}"))) == 404


async def test_a_feature_deleted_while_usage_of_it_is_recorded_is_either_deleted_or_used(
    ways: Ways, shop: Shop, books: Books
) -> None:
    user = shop.user(shop.package())
    events = 0
    for _ in range(ROUNDS):
        feature = shop.feature()
        calls = [rest.record(userId=user, featureId=feature) for rest in ways.rest * 2]
        calls.insert(1, ways.rest[0].call("DELETE", f"/v1/features/{feature}"))

        outcomes = await collided(books, [("features", feature)], calls, waiting=1 + len(ways.rest))

        deleted = outcomes.pop(1)
        if isinstance(deleted, RefusedError):
            assert (deleted.status, deleted.name) == (409, "InUseError")
            assert errors(outcomes) == []
            events += 4
        else:
            assert errors(outcomes) == [(404, "FeatureNotFoundError")] * 4
        assert len(books.events(user)) == events


async def test_a_draft_edited_while_it_is_published_is_published_with_the_edit_or_refuses_it(
    ways: Ways, shop: Shop, books: Books
) -> None:
    first, second = ways.rest
    feature, other = shop.feature(), shop.feature()
    for number in range(ROUNDS):
        draft = shop.draft(feature)
        edit = first.call("PATCH", f"/v1/packages/{draft}", {"features": [{"id": other}]})
        publish = second.post(f"/v1/packages/{draft}/publish")

        in_order = (edit, publish) if number % 2 else (publish, edit)
        outcomes = await collided(books, [("packages", draft)], in_order)

        assert errors(outcomes) in ([], [(409, "PackageStatusError")])
        now = await first.call("GET", f"/v1/packages/{draft}")
        assert now["status"] == "PUBLISHED"
        assert [held["id"] for held in now["features"]] == [feature if errors(outcomes) else other]


async def test_a_draft_edited_by_two_at_once_has_the_whole_list_of_one(ways: Ways, shop: Shop) -> None:
    lists = [[shop.feature() for _ in range(5)] for _ in range(2)]
    # Opposite orders, so that locks taken in the order of the list would cross.
    lists = [[*lists[0], *lists[1]], [*reversed(lists[1]), *reversed(lists[0][1:])]]
    for _ in range(ROUNDS):
        draft = shop.draft()

        outcomes = await at_once(
            rest.call("PATCH", f"/v1/packages/{draft}", {"features": [{"id": feature} for feature in features]})
            for rest, features in zip(ways.rest * 2, lists * 2, strict=True)
        )

        assert errors(outcomes) == []
        now = await ways.rest[0].call("GET", f"/v1/packages/{draft}")
        assert [held["id"] for held in now["features"]] in lists


async def test_a_base_deleted_while_an_addon_is_restricted_to_it_is_either_deleted_or_its_base(
    ways: Ways, shop: Shop, books: Books
) -> None:
    first, second = ways.rest
    for number in range(ROUNDS):
        base, addon = shop.draft(), f"addon-{number}"
        delete = first.call("DELETE", f"/v1/packages/{base}")
        create = second.post("/v1/packages", {"id": addon, "features": [], "isAddon": True, "basePackageIds": [base]})

        in_order = (delete, create) if number % 2 else (create, delete)
        outcomes = await collided(books, [("packages", base)], in_order)

        (error,) = errors(outcomes)
        assert error in [(409, "InUseError"), (422, "InvalidInputError")]
        is_held = error == (409, "InUseError")
        assert await status_of(first.call("GET", f"/v1/packages/{base}")) == (200 if is_held else 404)
        assert await status_of(second.call("GET", f"/v1/packages/{addon}")) == (200 if is_held else 404)


async def test_a_base_made_an_addon_while_another_is_restricted_to_it_is_one_or_the_other(
    ways: Ways, shop: Shop, books: Books
) -> None:
    first, second = ways.rest
    for number in range(ROUNDS):
        base, addon = shop.draft(), shop.draft(is_addon=True)
        turn = first.call("PATCH", f"/v1/packages/{base}", {"isAddon": True})
        restrict = second.call("PATCH", f"/v1/packages/{addon}", {"basePackageIds": [base]})

        in_order = (turn, restrict) if number % 2 else (restrict, turn)
        outcomes = await collided(books, [("packages", base)], in_order)

        (error,) = errors(outcomes)
        assert error in [(409, "InUseError"), (422, "InvalidInputError")]
        is_base = error == (409, "InUseError")
        assert (await first.call("GET", f"/v1/packages/{base}"))["isAddon"] is not is_base
        assert (await second.call("GET", f"/v1/packages/{addon}"))["basePackageIds"] == ([base] if is_base else [])


async def status_of(call: Any) -> int:
    try:
        await call
    except RefusedError as refusal:
        return refusal.status
    return 200
