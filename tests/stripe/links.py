"""Links of the market's tenant, and what workers do about them."""

from dataclasses import dataclass

from app.contract.billing import GenerateSubscriptionLink, SubscriptionLink
from app.gateways.stripe_double.deliveries import WebhookFaults
from app.gateways.stripe_double.state import Json
from app.services.checkout_closing import close_other_links
from app.services.checkout_links import get_link, request_link
from app.services.checkout_making import make_link
from app.services.checkout_sweeping import sweep_links
from tests.stripe.market import Market

URLS = {"success_url": "https://example.com/thanks", "cancel_url": "https://example.com/cart"}


@dataclass(frozen=True)
class Links:
    market: Market

    def asked(self, package_id: str, user_id: str | None = "ada", **urls: str) -> SubscriptionLink:
        """As the API answers it."""
        template_id = f"template-{self.market.prices[package_id]}"
        command = GenerateSubscriptionLink(template_id=template_id, user_id=user_id, **(URLS | urls))
        return request_link(self.market.shop.actor, command)

    def opened(self, package_id: str, user_id: str | None = "ada", **urls: str) -> str:
        """The id of a link whose page was made."""
        link_id = self.asked(package_id, user_id, **urls).id
        make_link(self.market.shop.actor.tenant_id, link_id, self.market.gateway)
        return link_id

    def read(self, link_id: str) -> SubscriptionLink:
        return get_link(self.market.shop.actor, link_id)

    def states(self, *link_ids: str) -> list[str]:
        return [self.read(link_id).status.value for link_id in link_ids]

    def page(self, link_id: str) -> Json:
        """The page of a link at the double."""
        pages = self.market.double.world.objects("checkout.session")
        (found,) = [each for each in pages if each["client_reference_id"] == link_id]
        return found

    def pay(self, link_id: str, *, email: str | None = None) -> Json:
        return self.market.double.world.pay(self.page(link_id)["id"], email=email)

    def pay_later(self, link_id: str) -> Json:
        return self.market.double.world.pay_later(self.page(link_id)["id"])

    def lose_webhooks(self) -> None:
        self.market.double.world.break_webhooks(WebhookFaults(drop_rate=1.0))

    def sweep(self) -> int:
        """How many links the sweep settles."""
        return sweep_links(self.market.gateway).handled

    def close_others(self, link_id: str) -> int:
        return close_other_links(self.market.shop.actor.tenant_id, link_id, self.market.gateway)
