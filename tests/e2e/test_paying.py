"""Somebody buys: a link is asked for, a browser pays on its page, and the app that sells lets them in."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.dev.starting import wait_until
from tests.e2e.browser import new_page
from tests.e2e.making import MakeDev

pytestmark = pytest.mark.processes

SETTLED_SECONDS = 5.0


@pytest.fixture
def app(make_dev: MakeDev) -> Iterator[httpx.Client]:
    """The server of the product that is sold."""
    headers = {"Authorization": make_dev.values["METERLINE_ADMIN_KEY"]}
    with httpx.Client(base_url=make_dev.url, headers=headers, timeout=20, trust_env=False) as client:
        yield client


def ask(app: httpx.Client, query: str, **variables: Any) -> Any:
    answer = app.post("/graphql", json={"query": query, "variables": variables}).json()
    assert "errors" not in answer, answer
    return answer["data"]


def a_link(app: httpx.Client, user_id: str) -> str:
    """Where a new user can pay for the Pro plan."""
    assert app.post("/v1/users", json={"id": user_id}).status_code == httpx.codes.CREATED
    found = ask(
        app,
        """mutation ($user: String!, $thanks: String!, $shop: String!) {
          generateSubscriptionLink(userId: $user, templateId: "pro-50gbp-month", successUrl: $thanks, cancelUrl: $shop) { url }
        }""",
        user=user_id,
        thanks=f"{app.base_url}/docs?paid-by={user_id}",
        shop=f"{app.base_url}/docs?left-by={user_id}",
    )
    return str(found["generateSubscriptionLink"]["url"])


def may_use(app: httpx.Client, user_id: str) -> bool:
    query = """query ($user: String!) { canUseFeature(userId: $user, featureId: "api-calls") { access } }"""
    return bool(ask(app, query, user=user_id)["canUseFeature"]["access"])


def test_who_pays_in_a_browser_is_sent_back_and_has_access_within_seconds(app: httpx.Client) -> None:
    url = a_link(app, "eve")
    assert not may_use(app, "eve")
    with new_page() as page:
        page.goto(url)
        page.get_by_role("button", name="Pay", exact=True).click()
        page.wait_for_url("**/docs?paid-by=eve")
    paid = time.monotonic()
    wait_until(lambda: may_use(app, "eve"))
    assert time.monotonic() - paid < SETTLED_SECONDS
    (had,) = app.get("/v1/subscriptions", params={"userId": "eve"}).json()["data"]
    assert (had["package"]["id"], had["status"]) == ("pro-plan", "ACTIVE")


def test_who_pays_by_a_slow_bank_has_access_when_the_bank_has_paid(app: httpx.Client) -> None:
    url = a_link(app, "judy")
    with new_page() as page:
        page.goto(url)
        page.get_by_role("button", name="Pay later").click()
        page.wait_for_url("**/docs?paid-by=judy")
        assert not may_use(app, "judy")
        page.goto(f"{httpx.URL(url).copy_with(raw_path=b'/')}")  # where the double shows its world
        page.get_by_role("button", name="The bank pays").first.click()
    wait_until(lambda: may_use(app, "judy"))


def test_who_leaves_without_paying_is_sent_back_and_has_nothing(app: httpx.Client) -> None:
    url = a_link(app, "mallory")
    with new_page() as page:
        page.goto(url)
        page.get_by_role("button", name="Cancel").or_(page.get_by_role("link", name="Cancel")).first.click()
        page.wait_for_url("**/docs?left-by=mallory")
    assert not may_use(app, "mallory")
    assert a_link_again(app, "mallory") == url


def a_link_again(app: httpx.Client, user_id: str) -> str:
    """The same wish, by the other door."""
    wish = {
        "userId": user_id,
        "templateId": "pro-50gbp-month",
        "successUrl": f"{app.base_url}/docs?paid-by={user_id}",
        "cancelUrl": f"{app.base_url}/docs?left-by={user_id}",
    }
    answer = app.post("/v1/subscription-links", json=wish)
    assert answer.status_code == httpx.codes.CREATED
    return str(answer.json()["url"])
