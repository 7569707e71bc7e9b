"""Lists longer than a page are read to their end, each object once."""

from datetime import UTC, datetime
from typing import Any

from app.gateways.billing import Page
from app.gateways.billing_shapes import BillingEvent, SubscriptionChange
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double import StripeDouble
from tests.gateways.shop import Shop

MANY = 230


def test_all_of_a_long_list_is_read_page_by_page_newest_first(gateway: StripeGateway) -> None:
    made = [
        gateway.find_or_create_customer(email=None, name=str(number), metadata={}, key=str(number)).id
        for number in range(MANY)
    ]
    pages = [gateway.customers()]
    while pages[-1].next_after is not None:
        pages.append(gateway.customers(after=pages[-1].next_after))
    assert [len(each.items) for each in pages] == [100, 100, 30]
    assert [each.id for page in pages for each in page.items] == made[::-1]


def test_what_comes_in_while_a_list_is_read_moves_nothing(double: StripeDouble, gateway: StripeGateway) -> None:
    for number in range(150):
        gateway.create_product(str(number), key=str(number))
    since = datetime.fromtimestamp(double.world.account.now(), UTC)

    def events(after: str | None = None) -> Page[BillingEvent]:
        return gateway.events(types=["product.created"], created_from=datetime(2026, 1, 1, tzinfo=UTC), after=after)

    first = events()
    gateway.create_product("late", key="late")
    second = events(first.next_after)
    ids = [each.id for each in [*first.items, *second.items]]
    assert (len(first.items), len(second.items), len(set(ids))) == (100, 50, 150)
    assert second.next_after is None
    assert first.items[0].created_at <= since


def test_a_list_of_exactly_a_page_has_no_next_one(gateway: StripeGateway) -> None:
    for number in range(100):
        gateway.create_product(str(number), key=str(number))
    assert gateway.prices() == Page(items=[], next_after=None)
    found = gateway.events(types=["product.created"], created_from=datetime(2026, 1, 1, tzinfo=UTC))
    assert (len(found.items), found.next_after) == (100, None)


def test_a_customer_behind_the_first_page_of_the_same_email_is_found(gateway: StripeGateway) -> None:
    def find(number: int) -> str:
        wanted = {"user": str(number)}
        return gateway.find_or_create_customer(
            email="shared@example.com", name=None, metadata=wanted, key=f"{number}"
        ).id

    made = [find(number) for number in range(120)]
    assert find(0) == made[0]


def test_a_subscription_has_all_its_items_wherever_it_is_read(shop: Shop, dashboard: Any) -> None:
    few = shop.subscribed()
    customer = dashboard.customers.create({"email": "ann@example.com"})
    wanted = [{"price": shop.monthly, "quantity": number} for number in range(1, 26)]
    many = dashboard.subscriptions.create({"customer": customer.id, "items": wanted})
    assert (len(many["items"]["data"]), many["items"]["has_more"]) == (10, True)

    quantities = list(range(1, 26))
    found = shop.gateway.subscription(many.id)
    assert [each.quantity for each in found.items] == quantities
    assert len({each.id for each in found.items}) == 25
    before = len(shop.double.world.requests())
    assert shop.gateway.subscriptions().items == [found, shop.gateway.subscription(few.id)]
    paths = [each.path for each in shop.double.world.requests()[before:]]
    assert paths == ["/v1/subscriptions", "/v1/subscription_items", f"/v1/subscriptions/{few.id}"]
    change = SubscriptionChange(cancel_at_period_end=True)
    changed = shop.gateway.change_subscription(many.id, change, key="end")
    ended = shop.gateway.cancel_subscription(many.id)
    assert ([len(each.items) for each in (changed, ended)], ended.status) == ([25, 25], "canceled")


def test_more_items_than_a_page_are_read_to_the_end(shop: Shop, dashboard: Any) -> None:
    customer = dashboard.customers.create({"email": "ann@example.com"})
    wanted = [{"price": shop.monthly, "quantity": number} for number in range(1, 121)]
    many = dashboard.subscriptions.create({"customer": customer.id, "items": wanted})
    assert [each.quantity for each in shop.gateway.subscription(many.id).items] == list(range(1, 121))
