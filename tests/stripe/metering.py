"""A package whose overage is billed, who has bought it, and what the double's meter and invoices say of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app import clock
from app.contract.billing import CreateBillingTemplate, GenerateSubscriptionLink
from app.domain.entitlements import FeatureType
from app.domain.periods import ResetPeriod
from app.gateways.billing import BillingGateway
from app.services import billing, checkout_links
from app.services.checkout_making import make_link
from app.services.meter_reports import send_reports
from app.services.overage import report_overage
from app.services.stripe_subscriptions import copy_subscription
from app.services.template_making import make_template
from tests.billing import column
from tests.services.shop import MONTH, counted
from tests.stripe.market import Market

BEGAN = datetime(2026, 1, 10, 10, 20, tzinfo=UTC)
UNIT_MINOR = 2
MoveTo = Callable[[datetime], None]


@dataclass
class Metering:
    """One clock for all: the double's is ours, and a test moves it."""

    market: Market
    move_to: MoveTo
    customer_id: str = ""
    subscription_id: str = ""

    def sell(
        self, package_id: str = "pro", limit: int | None = 100, per: ResetPeriod = MONTH, *, overage: bool = True
    ) -> None:
        shop = self.market.shop
        shop.feature("calls", FeatureType.CONSUMABLE)
        shop.package(package_id, counted(limit, per, overage=overage))
        self.price(package_id, f"{package_id}-month", 5_000)
        if overage and limit is not None:
            self.price(package_id, f"{package_id}-over", UNIT_MINOR, metered_feature_id="calls")

    def sell_addon_with_overage(self) -> None:
        """So that there is a meter, which nobody has bought."""
        self.market.shop.addon("extra", counted(1, overage=True))
        self.price("extra", "extra-over", UNIT_MINOR, metered_feature_id="calls")

    def price(self, package_id: str, id_: str, amount: int, **more: Any) -> None:
        actor = self.market.shop.actor
        terms = {"amount": amount, "currency": "eur", "interval": "month"} | more
        billing.create_billing_template(actor, CreateBillingTemplate(id=id_, package_id=package_id, **terms))
        for key in column(actor, "billing_templates", "key"):
            make_template(actor.tenant_id, key, self.market.gateway)

    def buy(self, package_id: str = "pro", user_id: str = "ada", *, new: bool = True) -> None:
        actor = self.market.shop.actor
        if new:
            self.market.shop.user(user_id)
        wish = {"success_url": "https://shop.example/yes", "cancel_url": "https://shop.example/no"}
        command = GenerateSubscriptionLink(template_id=f"{package_id}-month", user_id=user_id, **wish)
        link = checkout_links.request_link(actor, command)
        make_link(actor.tenant_id, link.id, self.market.gateway)
        ((session_id,),) = self.market.ask("SELECT session_id FROM checkout_links WHERE id = :id", id=link.id)
        self.subscription_id = str(self.market.double.world.pay(session_id)["subscription"])
        self.copy()
        self.customer_id = self.market.gateway.subscription(self.subscription_id).customer_id

    def copy(self) -> None:
        """What a webhook has done."""
        assert copy_subscription(self.market.gateway, self.subscription_id)

    def after(self, **more: float) -> datetime:
        """The clock moves on to so long after the beginning."""
        moment = BEGAN + timedelta(**more)
        self.move_to(moment)
        return moment

    def use(self, delta: int, **more: Any) -> str:
        recorded = self.market.shop.record(delta, **more)
        assert recorded.recorded
        return recorded.event_id

    def tell(self, gateway: BillingGateway | None = None) -> int:
        """What the two jobs do now; how many statements were settled."""
        report_overage()
        return send_reports(gateway or self.market.gateway).handled

    def meter(self, meter_id: str | None = None) -> dict[str, int]:
        """What Stripe has counted, by the hour as it is written."""
        meter_id = meter_id or self.market.gateway.meters().items[0].id
        end = (clock.now() + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
        start = BEGAN.replace(minute=0, second=0, microsecond=0)
        found = self.market.gateway.metered_usage(meter_id, customer_id=self.customer_id, start=start, end=end)
        return {each.start.strftime("%d %H:%M"): int(each.value) for each in found}

    def told(self) -> list[tuple[str, int, int, str]]:
        """(hour, version, value, state) of what is written down, by the hour."""
        found = self.market.ask(
            "SELECT starts_at, version, value, state FROM meter_reports WHERE tenant_id = :tenant_id "
            "ORDER BY provider_subscription_id, starts_at, version"
        )
        return [(at.strftime("%d %H:%M"), *rest) for at, *rest in found]

    def counted_in(self, start: datetime, end: datetime) -> int:
        """What an invoice for this period charges for, made an hour after its end. (The double makes it at once.)"""
        (meter,) = self.market.gateway.meters().items
        asked = {"start_time": int(start.timestamp()), "end_time": int(end.timestamp()), "customer": self.customer_id}
        found = self.market.dashboard.billing.meters.event_summaries.list(meter.id, params=asked)
        return sum(int(each.aggregated_value) for each in found.data)
