"""A double of Stripe of one's own, and the work that workers do with it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from app.contract.actors import Actor
from app.db import engine
from app.gateways.billing_shapes import BillingInterval, NewPrice
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double import StripeDouble
from app.gateways.stripe_double.faults import FaultKind
from app.gateways.stripe_double.state import Json
from app.services.checkout_making import make_link
from tests.beside import again_and_again

_KEY = "sk_test_of_the_tests"


@dataclass(frozen=True)
class Stripe:
    """The double, and a gateway that tries once, so that a test sees each failure, and sees it at once."""

    double: StripeDouble
    gateway: StripeGateway

    def price(
        self,
        amount_minor: int = 5000,
        currency: str = "gbp",
        interval: BillingInterval | None = BillingInterval.MONTH,
        interval_count: int = 1,
    ) -> str:
        """The id of a price that somebody has made in Stripe's dashboard."""
        key = f"dashboard-{len(self.double.world.requests())}"
        product = self.gateway.create_product("By hand", key=f"{key}-product")
        new = NewPrice(
            product_id=product.id,
            currency=currency,
            amount_minor=amount_minor,
            interval=interval,
            interval_count=interval_count,
        )
        return self.gateway.create_price(new, key=key).id

    def objects(self, kind: str) -> list[Json]:
        return self.double.world.objects(kind)

    def fail(self, kind: FaultKind, match: str = "", times: int = 1, rate: float = 1.0) -> None:
        """The next `times` requests go wrong; 0 for all of them, by chance if the rate is below 1."""
        self.double.world.fail(kind, match, times=times, rate=rate)

    @contextmanager
    def away(self) -> Iterator[None]:
        self.double.world.set_down(down=True)
        yield
        self.double.world.set_down(down=False)


@contextmanager
def started() -> Iterator[Stripe]:
    with pytest.MonkeyPatch.context() as environment, StripeDouble() as double:
        # The SDK heeds proxies of the environment, which have no business here.
        for name in ("NO_PROXY", "no_proxy"):
            environment.setenv(name, "127.0.0.1")
        yield Stripe(double, StripeGateway(_KEY, base=double.url, tries_again=0, read_seconds=10))


def column(actor: Actor, table: str, name: str) -> list[Any]:
    """What a tenant's rows have in a column, oldest first; in any order where time stands still."""
    statement = f"SELECT {name} FROM {table} WHERE tenant_id = :id ORDER BY created_at"  # noqa: S608 — our own names
    with engine().connect() as connection:
        return list(connection.execute(text(statement), {"id": actor.tenant_id}).scalars())


def make_links(actor: Actor, gateway: StripeGateway) -> int:
    """What workers do for all of a tenant's links: how many they settle."""
    return sum(make_link(actor.tenant_id, str(id_), gateway) for id_ in column(actor, "checkout_links", "id"))


def worker(actor: Actor, stripe: Stripe) -> AbstractContextManager[None]:
    """A thread that makes the tenant's links as soon as they are asked for."""
    return again_and_again(lambda: make_links(actor, stripe.gateway))
