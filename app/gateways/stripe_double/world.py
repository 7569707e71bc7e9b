"""The double as those see it who play with it: the tests, and the person before the world page.

Every method is safe to call from any thread, and what it changed is saved, if there is a file, when it returns.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.gateways.stripe_double import (
    catalogue,
    checkout,
    collecting,
    customers,
    cycles,
    outcomes,
    subscriptions,
    thin_events,
    webhook_endpoints,
)
from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.api import Answer, Api, Logged, Request
from app.gateways.stripe_double.deliveries import USUAL_RETRIES, Deliveries, Tally, WebhookFaults
from app.gateways.stripe_double.faults import Fault, FaultKind
from app.gateways.stripe_double.problems import ProblemError
from app.gateways.stripe_double.state import Json, State


@dataclass(frozen=True, slots=True)
class Overview:
    """How it stands. `webhooks_waiting`: not settled, those that are held among them."""

    now: str
    shift_seconds: int
    objects: dict[str, int]
    requests: int
    webhooks_waiting: int
    webhooks: Tally
    webhook_faults: WebhookFaults


class World:
    """One account of Stripe's, its API, and the hands that move what no API moves: buyers, banks and time."""

    def __init__(
        self,
        *,
        kept_in: Path | None = None,
        retries: Sequence[float] = USUAL_RETRIES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kept_in = kept_in
        self.deliveries = Deliveries(lambda: self.account, retries)
        self.account = Account(State.load(kept_in) if kept_in else State(), self.deliveries.put, clock=clock)
        self.api = Api(self.account)

    def answer(self, request: Request) -> Answer | None:
        """A request to the API."""
        answer = self.api.answer(request)
        if request.method != "GET":
            with self.account.lock:
                self._save()
        return answer

    def put_price(
        self, price_id: str, *, product: str, amount_minor: int, currency: str, interval: str | None = None
    ) -> None:
        """A price under an id of one's choice, which no API gives it, of a product of this name. One that is there stays."""
        with self._changing():
            if self.account.anything(price_id) is None:
                terms = {"id": price_id, "product_data": {"name": product}, "unit_amount": amount_minor}
                recurring = {"recurring": {"interval": interval}} if interval else {}
                catalogue.create_price(self.account, {**terms, "currency": currency, **recurring})

    def put_customer(self, customer_id: str, *, email: str, name: str) -> None:
        """Likewise a customer."""
        with self._changing():
            if self.account.anything(customer_id) is None:
                customers.create_customer(self.account, {"id": customer_id, "email": email, "name": name})

    def pay(self, session_id: str, *, email: str | None = None, card: str = "good") -> Json:
        """A buyer pays. `card`: what it will do at later payments (`good`, `declines`, `none`)."""
        with self._changing():
            return outcomes.pay(self.account, session_id, email=email, card=card)

    def pay_later(self, session_id: str, *, email: str | None = None) -> Json:
        """A buyer takes a payment method that the bank settles later."""
        with self._changing():
            return outcomes.pay_later(self.account, session_id, email=email)

    def decline(self, session_id: str) -> Json:
        """A buyer's card is refused."""
        with self._changing():
            return outcomes.decline(self.account, session_id)

    def settle(self, session_id: str, *, paid: bool = True) -> Json:
        """The bank settles what was to be paid later, or does not."""
        with self._changing():
            return outcomes.settle(self.account, session_id, paid=paid)

    def expire(self, session_id: str) -> Json:
        """A session is closed."""
        with self._changing():
            return checkout.expire_session(self.account, {}, session_id)

    def set_card(self, customer_id: str, card: str) -> None:
        """What a customer's payments do from now on."""
        with self._changing():
            customers.set_card(self.account, customer_id, card)

    def advance(self, seconds: int) -> None:
        """Time goes on, and everything happens that is due on the way. Webhooks that wait for their next try are tried."""
        with self._changing():
            cycles.advance(self.account, seconds)
        self.deliveries.retry_now()

    def renew(self, subscription_id: str) -> Json:
        """Time goes on until a subscription's period ends."""
        with self._changing():
            it = self.account.find("subscription", subscription_id)
            if it["status"] not in ("active", "trialing", "past_due"):
                raise ProblemError(f"The subscription is {it['status']}.")
            cycles.advance(self.account, cycles.next_renewal(it) - self.account.now())
        return it

    def fail_renewal(self, subscription_id: str) -> Json:
        """The customer's card expires, and then the subscription's period ends."""
        it = self.account.find("subscription", subscription_id)
        self.set_card(it["customer"], "declines")
        return self.renew(subscription_id)

    def arrange_end(self, subscription_id: str, *, at_period_end: bool) -> Json:
        """What a customer does in the portal: end a subscription with its period, or not after all."""
        with self._changing():
            asked = {"cancel_at_period_end": at_period_end}
            return subscriptions.change_subscription(self.account, asked, subscription_id)

    def pay_invoice(self, invoice_id: str) -> Json:
        """What a customer does who got a new card."""
        with self._changing():
            return collecting.pay_invoice(self.account, {}, invoice_id)

    def send_webhooks_to(self, url: str, secret: str, *, types: Sequence[str] = ("*",), alone: bool = False) -> str:
        """Have an endpoint with this secret, as if made in the dashboard; the id of it. One with the URL gets the secret.
        `alone`: all other endpoints go.
        """
        with self._changing():
            for each in list(self.account.all("webhook_endpoint")):
                if alone and each["url"] != url:
                    webhook_endpoints.delete_endpoint(self.account, {}, each["id"])
            for each in self.account.all("webhook_endpoint"):
                if each["url"] == url:
                    self.account.state.secrets[each["id"]] = [secret]
                    return str(each["id"])
            asked = {"url": url, "enabled_events": list(types)}
            return str(webhook_endpoints.create_endpoint(self.account, asked, secret)["id"])

    def send_thin_events_to(self, url: str, secret: str) -> str:
        """Have the one destination of thin events there, with this secret; the id of it."""
        with self._changing():
            return thin_events.set_destination(self.account, url, secret)

    def find_no_meter(self, identifier: str) -> None:
        """Stripe took a usage event of this name, and finds no meter for it."""
        with self._changing():
            thin_events.tell_of_meter_error(self.account, None, identifier, "no_meter", "No meter was found.")

    def roll_secret(self, endpoint_id: str, secret: str | None = None) -> str:
        """A new secret of an endpoint, beside the old one."""
        with self._changing():
            return webhook_endpoints.roll_secret(self.account, endpoint_id, secret)

    def end_roll(self, endpoint_id: str) -> None:
        """Sign with the new secret alone."""
        with self._changing():
            webhook_endpoints.forget_old_secrets(self.account, endpoint_id)

    def break_webhooks(self, faults: WebhookFaults) -> None:
        """What befalls webhooks from now on. `WebhookFaults()` ends it, and lets go of what was held."""
        self.deliveries.set_faults(faults)

    def fail(
        self, kind: FaultKind, match: str = "", *, times: int = 1, seconds: float = 0.0, rate: float = 1.0
    ) -> None:
        """The next `times` requests that begin with `match`, such as `POST /v1/checkout`, go wrong; 0 for all."""
        self.api.faults.add(Fault(kind, match, times or -1, seconds, rate))

    def set_down(self, *, down: bool) -> None:
        """Stripe is away: connections end without an answer."""
        self.api.faults.down = down

    def limit(self, per_second: int) -> None:
        """More requests than that get 429; 0 for no limit."""
        self.api.faults.limit(per_second)

    def mend(self) -> None:
        """No more faults, of the API and of webhooks."""
        self.api.faults.clear()
        self.deliveries.set_faults(WebhookFaults())

    def requests(self) -> list[Logged]:
        """The last thousand requests to the API."""
        return list(self.api.log)

    def objects(self, kind: str) -> list[Json]:
        """The objects of a kind, oldest first."""
        with self.account.lock:
            cycles.catch_up(self.account)
            return [dict(each) for each in self.account.all(kind)]

    def overview(self) -> Overview:
        """How it stands."""
        with self.account.lock:
            now = datetime.fromtimestamp(self.account.now(), UTC)
            return Overview(
                now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                self.account.state.shift_seconds,
                {kind: len(found) for kind, found in self.account.state.objects.items()},
                len(self.api.log),
                self.deliveries.waiting(),
                self.deliveries.tally,
                self.deliveries.faults,
            )

    def described(self) -> Json:
        """The overview as JSON."""
        return asdict(self.overview())

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self.account.lock:
            cycles.catch_up(self.account)
            yield
            self._save()

    def _save(self) -> None:
        if self._kept_in is not None:
            self.account.state.save(self._kept_in)
