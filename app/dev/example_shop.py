"""What the example data and the double of Stripe have in common: the prices and the customer of Kana's documents."""

from app.contract.billing import LinkPrice
from app.contract.users import CreateUser
from app.gateways.stripe_double import StripeDouble

PRICES = (
    LinkPrice(
        id="pro-50gbp-month",
        package_id="pro-plan",
        price_id="price_1L7NHvIiEnRX8aivoxbSWREF",
        amount=5000,
        currency="gbp",
        interval="month",
    ),
    LinkPrice(
        id="messaging-20gbp",
        package_id="proactive-messaging",
        price_id="price_id_6gSGwU839shamnskk7LSNME",
        amount=2000,
        currency="gbp",
    ),
)
USER = CreateUser(id="124", billing_id="cus_883y74hdjjdjdnd", name="Test User", email="test@usekana.com")


def stock(double: StripeDouble) -> None:
    """Let the double know them, so that what the example data sell can be bought there. What it knows stays as it is."""
    for price in PRICES:
        double.world.put_price(
            price.price_id,
            product=price.package_id,
            amount_minor=price.amount,
            currency=price.currency,
            interval=price.interval,
        )
    double.world.put_customer(USER.billing_id or "", email=USER.email or "", name=USER.name or "")
