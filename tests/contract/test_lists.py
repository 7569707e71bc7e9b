"""Lists: whole while they are short, in pages by cursor at both doors, and never cut short in silence."""

from typing import Any

import pytest

from app.contract.users import CreateUser
from app.services.users import create_user
from tests.contract.callers import Caller
from tests.tenants import Tenant

_LISTS = {
    "features": "/features",
    "packages": "/packages",
    "users": "/users",
    "subscriptions": "/subscriptions",
}


@pytest.fixture
async def shop(caller: Caller) -> Caller:
    """Seven of everything."""
    for number in range(7):
        await caller.rest("POST", "/features", id=f"f{number}", type="BINARY")
        await caller.rest("POST", "/packages", id=f"p{number}", features=[])
        await caller.rest("POST", f"/packages/p{number}/publish")
        await caller.rest("POST", "/users", id=f"u{number}")
        await caller.rest("POST", "/subscriptions", userId=f"u{number}", packageIds=["p0"])
    return caller


@pytest.mark.parametrize("name", sorted(_LISTS))
async def test_the_pages_of_a_list_are_the_list_oldest_first_at_both_doors(shop: Caller, name: str) -> None:
    whole = [item["id"] for item in (await shop.data(f"{{ {name} {{ id }} }}"))[name]]

    assert len(whole) == 7
    assert whole == sorted(whole, key=lambda id_: (len(id_), id_))
    assert await _graphql_pages(shop, name, 3) == [whole[:3], whole[3:6], whole[6:]]
    assert await _rest_pages(shop, _LISTS[name], 3) == [whole[:3], whole[3:6], whole[6:]]


@pytest.mark.parametrize("name", sorted(_LISTS))
async def test_a_page_that_is_just_filled_says_that_no_other_follows(shop: Caller, name: str) -> None:
    page = await shop.rest("GET", f"{_LISTS[name]}?limit=7")

    assert (len(page["data"]), page["hasMore"]) == (7, False)


@pytest.mark.parametrize("name", sorted(_LISTS))
async def test_a_page_after_an_unknown_id_is_refused(shop: Caller, name: str) -> None:
    error = await shop.refusal(f'{{ {name}(first: 3, after: "nobody") {{ id }} }}')
    problem = await shop.http.get(f"/v1{_LISTS[name]}?startingAfter=nobody")

    assert error["extensions"]["field"] == "after"
    assert error["message"] == "after: there is nothing with the id 'nobody'"
    assert (problem.status_code, problem.json()["field"]) == (422, "startingAfter")


@pytest.mark.parametrize(("first", "limit"), [(0, 0), (-1, -1), (1001, 101)])
async def test_the_size_of_a_page_has_bounds(shop: Caller, first: int, limit: int) -> None:
    error = await shop.refusal(f"{{ users(first: {first}) {{ id }} }}")
    problem = await shop.http.get(f"/v1/users?limit={limit}")

    assert error["message"] == f"first: must be between 1 and 1000, is {first}"
    assert (problem.status_code, problem.json()["detail"]) == (422, f"limit: must be between 1 and 100, is {limit}")


async def test_a_list_too_long_to_come_whole_is_refused_not_cut_short(caller: Caller, tenant: Tenant) -> None:
    for number in range(1000):
        create_user(tenant.actor, CreateUser(id=f"u{number}"))
    assert len((await caller.data("{ users { id } }"))["users"]) == 1000
    create_user(tenant.actor, CreateUser(id="one too many"))

    error = await caller.refusal("{ users { id } }")

    assert error["message"] == "first: the list has more than 1000 entries: ask for pages, with first and after"
    last = await caller.data('{ users(first: 1000, after: "u999") { id } }')
    assert last == {"users": [{"id": "one too many"}]}


async def _graphql_pages(caller: Caller, name: str, first: int) -> list[list[str]]:
    pages: list[list[str]] = []
    variables: dict[str, Any] = {"first": first}
    while True:
        document = f"query ($first: Int, $after: String) {{ {name}(first: $first, after: $after) {{ id }} }}"
        page = [item["id"] for item in (await caller.data(document, variables))[name]]
        if not page:
            return pages
        pages.append(page)
        variables["after"] = page[-1]


async def _rest_pages(caller: Caller, path: str, limit: int) -> list[list[str]]:
    pages: list[list[str]] = []
    address = f"{path}?limit={limit}"
    while True:
        page = await caller.rest("GET", address)
        pages.append([item["id"] for item in page["data"]])
        if not page["hasMore"]:
            return pages
        address = f"{path}?limit={limit}&startingAfter={pages[-1][-1]}"
