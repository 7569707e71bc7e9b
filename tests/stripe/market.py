"""What is sold through Stripe in these tests, who buys it, and how the news of it comes to us."""

import json
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from app import clock, models
from app.db import engine, transaction
from app.domain import billing_tags
from app.domain.billing import BillingTemplateStatus
from app.gateways.billing_shapes import BillingInterval, CheckoutSession, NewCheckout, NewPrice
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double import StripeDouble
from app.queries.packages import kept_packages
from app.services.stripe_events import handle_event
from app.services.stripe_inbox import Receipt, take
from tests.gateways.takers import Taken, Taker
from tests.services.shop import Shop, counted
from tests.until import until

API_KEY = "sk_test_of_the_tests"
SECRET = "whsec_of_the_tests_0123456789"


@dataclass
class Market:
    shop: Shop
    app_id: str
    double: StripeDouble
    gateway: StripeGateway
    taker: Taker
    dashboard: Any
    prices: dict[str, str] = field(default_factory=dict)
    paid_once: set[str] = field(default_factory=set)

    def sell(
        self,
        package_id: str,
        limit: int,
        *,
        is_addon: bool = False,
        is_once: bool = False,
        interval: BillingInterval = BillingInterval.MONTH,
    ) -> str:
        """A package with so many calls a month, and its price, by the interval or once."""
        if not self.prices:
            self.shop.feature()
        self.shop.package(package_id, counted(limit), is_addon=is_addon)
        price_id = self.new_price(package_id, is_once=is_once, interval=interval)
        if is_once:
            self.paid_once.add(package_id)
        self.link(package_id, price_id, interval=None if is_once else interval.value)
        self.prices[package_id] = price_id
        return price_id

    def new_price(self, name: str, *, is_once: bool = False, interval: BillingInterval = BillingInterval.MONTH) -> str:
        product = self.gateway.create_product(name, key=f"product:{name}")
        every = None if is_once else interval
        new = NewPrice(product_id=product.id, currency="eur", amount_minor=5_000, interval=every)
        return self.gateway.create_price(new, key=f"price:{name}").id

    def link(
        self,
        package_id: str,
        price_id: str,
        status: BillingTemplateStatus = BillingTemplateStatus.ACTIVE,
        interval: str | None = "month",
    ) -> None:
        """The price is for the package from now on, if the template did not fail."""
        with transaction() as session:
            tenant_id = self.shop.actor.tenant_id
            session.add(
                models.BillingTemplate(
                    tenant_id=tenant_id,
                    id=f"template-{price_id}" if status is BillingTemplateStatus.ACTIVE else f"failed-{package_id}",
                    package_key=kept_packages(session, tenant_id, [package_id])[package_id].key,
                    provider="STRIPE",
                    status=status,
                    price_id=price_id,
                    amount_minor=5_000,
                    currency="eur",
                    interval=interval,
                    created_at=clock.now(),
                )
            )

    def unlink(self, price_id: str) -> None:
        """The price is for nothing any more."""
        self.change(
            "DELETE FROM billing_templates WHERE tenant_id = :tenant_id AND price_id = :price_id",
            tenant_id=self.shop.actor.tenant_id,
            price_id=price_id,
        )

    def checkout(
        self,
        package_id: str,
        *,
        user_id: str | None = "ada",
        customer_id: str | None = None,
        trial_days: int | None = None,
        tags: dict[str, str] | None = None,
    ) -> CheckoutSession:
        ours = {billing_tags.TENANT: self.app_id, billing_tags.PACKAGE: package_id}
        ours |= {billing_tags.USER: user_id} if user_id else {}
        new = NewCheckout(
            price_id=self.prices[package_id],
            recurring=package_id not in self.paid_once,
            success_url="https://shop.example/thanks",
            customer_id=customer_id,
            trial_days=trial_days,
            metadata=ours if tags is None else tags,
        )
        return self.gateway.create_checkout_session(new, key=f"link:{len(self.double.world.objects('event'))}")

    async def buy(self, package_id: str, **more: Any) -> str:
        """Somebody pays; the id of the subscription that comes of it, which we know when this returns."""
        card = more.pop("card", "good")
        email = more.pop("email", None)
        paid = self.double.world.pay(self.checkout(package_id, **more).id, card=card, email=email)
        await self.hear()
        return str(paid["subscription"])

    async def arrived(self) -> list[Taken]:
        """The webhooks that came since the last time, in order of arrival."""
        await until(lambda: self.double.world.overview().webhooks_waiting == 0)
        taken, self.taker.taken[:] = list(self.taker.taken), []
        return taken

    async def hear(self) -> list[str]:
        """Take what came, and handle it as the worker does; the types."""
        taken = await self.arrived()
        for each in taken:
            assert take(each.body, each.signature) is Receipt.TAKEN
        for each in taken:
            handle_event(each.event["id"])
        return [each.event["type"] for each in taken]

    def states(self, user_id: str = "ada") -> list[tuple[str, str]]:
        """(package, status) of all that the user ever had."""
        return [(each.package.id, each.status) for each in self.shop.subscriptions(user_id)]

    def may(self, delta: int = 1, user_id: str = "ada") -> bool:
        return self.shop.access(delta, user_id=user_id).access

    def ask(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with engine().connect() as connection:
            found = connection.execute(text(statement), {"tenant_id": self.shop.actor.tenant_id, **values})
            return [tuple(row) for row in found]

    @staticmethod
    def change(statement: str, **values: object) -> None:
        with engine().begin() as connection:
            connection.execute(text(statement), values)

    def forget_others(self) -> None:
        """What other tests sold and bought at their own doubles is over, and is compared with this one no more."""
        self.change("UPDATE subscriptions SET status = 'CANCELLED', ends_at = now() WHERE provider IS NOT NULL")
        self.change("UPDATE billing_templates SET status = 'FAILED'")
        self.change("UPDATE checkout_links SET look_at = NULL")
        self.change("DELETE FROM stripe_inbox")
        self.change("DELETE FROM stripe_checks")

    def inbox(self) -> list[tuple[Any, ...]]:
        """(event, attempts, whether it waits, error) of what the double has told."""
        ids = [each["id"] for each in self.double.world.objects("event")]
        return self.ask(
            "SELECT type, attempts, next_attempt_at IS NOT NULL, error FROM stripe_inbox "
            "WHERE event_id = ANY(:ids) ORDER BY created_at, event_id",
            ids=ids,
        )

    def waiting(self) -> int:
        """How many events are not handled."""
        return sum(is_waiting for _, _, is_waiting, _ in self.inbox())


def event_ids(taken: list[Taken]) -> list[str]:
    return [json.loads(each.body)["id"] for each in taken]
