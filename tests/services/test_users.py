"""Users: create, change, rename, read."""

import pytest
from freezegun import freeze_time

from app.contract.shapes import PageRequest
from app.contract.users import CreateUser, UpdateUser, User
from app.errors import AlreadyExistsError, InvalidInputError, UserNotFoundError
from app.services import subscriptions, users
from tests.services.shop import EVERYTHING, NOWHERE, Shop, counted


def test_a_new_user_comes_back_as_given(shop: Shop) -> None:
    command = CreateUser(
        id="124", billing_id="cus_883y", name="Test User", email="test@usekana.com", metadata={"vip": True}
    )
    made = users.create_user(shop.actor, command)

    assert made == User(
        id="124", billing_id="cus_883y", name="Test User", email="test@usekana.com", metadata={"vip": True}
    )
    assert users.get_user(shop.actor, "124") == made


def test_all_but_the_id_may_be_absent(shop: Shop) -> None:
    assert shop.user("ada") == User(id="ada", billing_id=None, name=None, email=None, metadata={})


def test_a_taken_id_is_refused_and_the_first_user_stays(shop: Shop) -> None:
    shop.user("ada")
    before = shop.rows()

    with pytest.raises(AlreadyExistsError, match=r"^id: a user with the id 'ada' exists already$"):
        users.create_user(shop.actor, CreateUser(id="ada", name="Another"))
    assert shop.rows() == before


def test_several_users_may_share_an_email(shop: Shop) -> None:
    for user_id in ("ada", "bob"):
        users.create_user(shop.actor, CreateUser(id=user_id, email="team@example.com"))
    assert [user.email for user in users.list_users(shop.actor, EVERYTHING).data] == ["team@example.com"] * 2


def test_absent_fields_stay_and_null_ones_are_cleared(shop: Shop) -> None:
    given = CreateUser(id="ada", billing_id="cus_1", name="Ada", email="ada@example.com", metadata={"a": 1})
    users.create_user(shop.actor, given)

    changed = users.update_user(shop.actor, "ada", UpdateUser(email="ada@example.org"))
    assert changed == User(id="ada", billing_id="cus_1", name="Ada", email="ada@example.org", metadata={"a": 1})
    cleared = users.update_user(
        shop.actor, "ada", UpdateUser(id=None, billing_id=None, name=None, email=None, metadata=None)
    )
    assert cleared == User(id="ada", billing_id=None, name=None, email=None, metadata={})
    assert users.get_user(shop.actor, "ada") == cleared


def test_a_rename_takes_subscriptions_usage_and_past_along(shop: Shop) -> None:
    shop.feature()
    shop.package("pro", counted(10))
    shop.user("ada")
    with freeze_time("2026-01-05T12:00:00Z"):
        (bought,) = shop.subscribe("pro")
        shop.record(4)
    with freeze_time("2026-02-07T12:00:00Z"):
        shop.record(3)
        before = shop.usage()

        users.update_user(shop.actor, "ada", UpdateUser(id="lovelace"))

        assert shop.usage(user_id="lovelace") == before
        assert shop.record(2, user_id="lovelace").consumption.used == 5
        assert subscriptions.list_subscriptions(shop.actor, EVERYTHING, "lovelace").data[0].id == bought.id
        assert shop.subscription(bought.id).user_id == "lovelace"
        with pytest.raises(UserNotFoundError):
            shop.access(user_id="ada")


def test_a_name_left_behind_is_free_for_another_user_who_inherits_nothing(shop: Shop) -> None:
    shop.feature()
    shop.package("pro", counted(10))
    shop.user("ada")
    shop.subscribe("pro")
    users.update_user(shop.actor, "ada", UpdateUser(id="lovelace"))

    shop.user("ada")
    assert shop.access(user_id="ada").access is False
    assert shop.access(user_id="lovelace").access is True


def test_a_rename_to_the_own_id_changes_nothing(shop: Shop) -> None:
    made = shop.user("ada")
    assert users.update_user(shop.actor, "ada", UpdateUser(id="ada")) == made


def test_a_rename_to_another_users_id_is_refused_whole(shop: Shop) -> None:
    shop.user("ada")
    shop.user("bob")
    before = shop.rows()

    with pytest.raises(AlreadyExistsError, match=r"^id: a user with the id 'bob' exists already$"):
        users.update_user(shop.actor, "ada", UpdateUser(id="bob", name="Not Bob"))
    assert shop.rows() == before


def test_an_unknown_user_is_not_found(shop: Shop) -> None:
    with pytest.raises(UserNotFoundError, match=r"^User Id not found for app$"):
        users.get_user(shop.actor, NOWHERE)
    with pytest.raises(UserNotFoundError, match=r"^User Id not found for app$"):
        users.update_user(shop.actor, NOWHERE, UpdateUser(name="x"))


def test_lists_are_oldest_first_page_by_page_and_a_rename_keeps_the_place(shop: Shop) -> None:
    for user_id in ("c", "a", "b"):
        shop.user(user_id)
    users.update_user(shop.actor, "c", UpdateUser(id="z"))

    first = users.list_users(shop.actor, PageRequest(limit=2))
    rest = users.list_users(shop.actor, PageRequest(limit=2, starting_after="a"))
    assert ([user.id for user in first.data], first.has_more) == (["z", "a"], True)
    assert ([user.id for user in rest.data], rest.has_more) == (["b"], False)


def test_a_page_after_an_unknown_id_is_refused(shop: Shop) -> None:
    with pytest.raises(InvalidInputError, match=r"^startingAfter: there is nothing with the id 'no-such-id'$"):
        users.list_users(shop.actor, PageRequest(starting_after=NOWHERE))
