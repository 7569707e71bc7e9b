"""What there is to sell in these tests, and how it is sold."""

from dataclasses import dataclass

from app.gateways.billing_shapes import BillingInterval, CheckoutSession, NewCheckout, NewPrice, ProviderSubscription
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double import StripeDouble

MONTH = 31 * 86_400
DAY = 86_400
HOUR = 3_600


@dataclass(frozen=True)
class Shop:
    double: StripeDouble
    gateway: StripeGateway
    monthly: str
    once: str

    def checkout(
        self,
        price: str | None = None,
        *,
        key: str = "link:1:1",
        customer_id: str | None = None,
        trial_days: int | None = None,
    ) -> CheckoutSession:
        price = price or self.monthly
        return self.gateway.create_checkout_session(
            NewCheckout(
                price_id=price,
                recurring=price != self.once,
                success_url="https://shop.example/thanks?session={CHECKOUT_SESSION_ID}",
                cancel_url="https://shop.example/cart",
                client_reference_id="link_1",
                customer_id=customer_id,
                trial_days=trial_days,
                metadata={"tenant": "test_demo", "user": "124"},
            ),
            key=key,
        )

    def subscribed(
        self, *, key: str = "link:1:1", trial_days: int | None = None, card: str = "good"
    ) -> ProviderSubscription:
        session = self.checkout(key=key, trial_days=trial_days)
        paid = self.double.world.pay(session.id, card=card)
        return self.gateway.subscription(paid["subscription"])


def open_shop(double: StripeDouble, gateway: StripeGateway) -> Shop:
    product = gateway.create_product("Pro", key="product")
    monthly = NewPrice(product_id=product.id, currency="eur", amount_minor=5_000, interval=BillingInterval.MONTH)
    once = NewPrice(product_id=product.id, currency="eur", amount_minor=900)
    return Shop(
        double,
        gateway,
        gateway.create_price(monthly, key="monthly").id,
        gateway.create_price(once, key="once").id,
    )
