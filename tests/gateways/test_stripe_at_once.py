"""Many callers at once, on a bad day: no link twice, none lost."""

from concurrent.futures import ThreadPoolExecutor

from app.gateways.billing_errors import BillingUnavailableError
from app.gateways.billing_shapes import CheckoutSession
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double import StripeDouble
from app.gateways.stripe_double.faults import FaultKind
from tests.gateways.shop import Shop, open_shop

LINKS = 60
CREATE = "POST /v1/checkout/sessions"


def asked_until_answered(shop: Shop, link: int) -> CheckoutSession:
    """As a job does it: the same key again, another one after a failure that Stripe keeps."""
    attempt = 1
    for _ in range(50):
        try:
            return shop.checkout(key=f"link:{link}:{attempt}")
        except BillingUnavailableError as failed:
            attempt += failed.stored
    raise AssertionError("never answered")


def test_each_link_has_one_address_whatever_is_lost(double: StripeDouble, gateway: StripeGateway) -> None:
    shop = open_shop(double, gateway)
    for kind in (FaultKind.LOST_ANSWER, FaultKind.LOST_REQUEST, FaultKind.ERROR, FaultKind.STORED_ERROR_AFTER):
        double.world.fail(kind, CREATE, times=0, rate=0.1)
    with ThreadPoolExecutor(8) as pool:
        # Each link is asked for twice, by whoever is free.
        found = list(pool.map(lambda number: asked_until_answered(shop, number // 2), range(2 * LINKS)))
    double.world.mend()
    assert [one.id for one in found[::2]] == [other.id for other in found[1::2]]
    assert len({each.url for each in found}) == LINKS
    # A stored failure that came after the session was made leaves one that nobody has the address of.
    strays = len(double.world.objects("checkout.session")) - LINKS
    assert strays == sum(each["answer"]["status"] == 500 for each in double.world.account.state.keys.values())


def test_one_gateway_serves_many_threads(double: StripeDouble, gateway: StripeGateway) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: gateway.create_product(str(number), key=str(number)), range(100)))
    assert sorted(int(each.name) for each in made) == list(range(100))
    assert len({each.id for each in made}) == 100
