"""Stories of two customers of a shop that others have used before: what they have, and how time goes by.

Both sides, the services and the naive model, do everything and must say the same.
"""

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from freezegun import freeze_time
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from app import clock
from app.contract.actors import Actor
from app.contract.subscriptions import Subscription
from app.contract.usage import Consumption
from app.contract.users import UpdateUser
from app.domain.metering import Enforcement
from app.domain.subscribing import SubscriptionStatus
from app.errors import MeterlineError
from app.services import users
from tests.services.batch_model import Desk
from tests.services.metering_model import Customer, Held, MistakeError, Offer, Told
from tests.services.shop import DAY, MONTH, YEAR, Shop

OFFERS = (
    Offer("pro", is_addon=False, limit=10, per=MONTH),
    Offer("max", is_addon=False, limit=25, per=YEAR),
    Offer("trial", is_addon=False, limit=3, per=DAY),
    Offer("boost", is_addon=True, limit=20, per=MONTH),
    Offer("burst", is_addon=True, limit=10, per=DAY, overage=True),
    Offer("endless", is_addon=True, limit=None, per=MONTH),
)
BASES = tuple(offer for offer in OFFERS if not offer.is_addon)
ADDONS = tuple(offer for offer in OFFERS if offer.is_addon)
STARTS = ("2024-01-31T10:00:00.123Z", "2024-02-29T23:59:59.999Z", "2025-12-31T00:00:00Z", "2026-03-15T12:30:00Z")
NUMBERS = itertools.count(1)
MILLISECOND = timedelta(milliseconds=1)
STEPS = (
    MILLISECOND,
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(hours=7),
    timedelta(days=1),
    timedelta(days=26),
)

who = st.integers(0, 1)
any_of_the_last = st.integers(-12, -1)


class Story(RuleBasedStateMachine):
    """The customers, their subscriptions and their time."""

    shop: Shop

    @initialize(
        start=st.sampled_from(STARTS),
        offers=st.tuples(st.sampled_from(BASES), st.sampled_from(BASES)),
        since=st.sampled_from([timedelta(0), timedelta(days=3), timedelta(days=70)]),
    )
    def open(self, start: str, offers: tuple[Offer, Offer], since: timedelta) -> None:
        self.frozen = freeze_time(start)
        self.time = self.frozen.start()
        self.turn = 0
        self.desk = Desk()
        self.customers = [Customer(new_name()) for _ in range(2)]
        # Without a subscription from the start, most stories would be of customers who may do nothing.
        for customer, offer in zip(self.customers, offers, strict=True):
            self.shop.user(customer.id)
            self._keep(customer, offer)
        self.time.tick(since)

    def teardown(self) -> None:
        self.frozen.stop()

    @property
    def now(self) -> datetime:
        return clock.now()

    def actor(self, *, over_limit_too: bool = False) -> Actor:
        """Ourselves, as a tenant that refuses what is over a limit, or as one that records it all the same."""
        actor = self.shop.actor
        return Actor(actor.tenant_id, actor.app_id, Enforcement.RECORD) if over_limit_too else actor

    def _keep(self, customer: Customer, offer: Offer) -> None:
        (made,) = self.shop.subscribe(offer.id, user_id=customer.id)
        held = Held(made.id, offer, self.now)
        base = customer.base(self.now)
        if offer.is_addon and base is not None:
            held.end = base.end
        customer.held.append(held)
        self._same_subscription(made, customer, held)

    @precondition(lambda self: any(customer.base(self.now) is None for customer in self.customers))
    @rule(offer=st.sampled_from(BASES))
    def come_back(self, offer: Offer) -> None:
        self._keep(next(customer for customer in self.customers if customer.base(self.now) is None), offer)

    @rule(n=who, offer=st.sampled_from(ADDONS))
    def buy_an_addon(self, n: int, offer: Offer) -> None:
        if self.customers[n].base(self.now) is not None:
            self._keep(self.customers[n], offer)

    @rule(n=who, which=any_of_the_last, at_period_end=st.booleans())
    def cancel(self, n: int, which: int, at_period_end: bool) -> None:
        customer = self.customers[n]
        held = last(customer.held, which)
        made = self.shop.cancel(held.id, at_period_end=at_period_end)
        customer.cancel(held, self.now, at_period_end=at_period_end)
        self._same_subscription(made, customer, held)

    @rule(n=who, offer=st.sampled_from(BASES))
    def change(self, n: int, offer: Offer) -> None:
        base = self.customers[n].base(self.now)
        if base is not None:
            made = self.shop.change(base.id, offer.id)
            base.offer = offer
            self._same_subscription(made, self.customers[n], base)

    @rule(n=who)
    def rename(self, n: int) -> None:
        name = new_name()
        users.update_user(self.shop.actor, self.customers[n].id, UpdateUser(id=name))
        self.customers[n].id = name

    @rule(step=st.sampled_from(STEPS))
    def let_time_pass(self, step: timedelta) -> None:
        self.time.tick(step)

    @rule(n=who, early=st.booleans())
    def go_to_the_next_boundary(self, n: int, early: bool) -> None:
        """To the last millisecond of the period, or to the first of the next."""
        decider = self.customers[n].decider(self.now)
        if decider is not None and decider.offer.per is not YEAR:
            boundary = decider.windows_until(self.now)[-1].end - (MILLISECOND if early else timedelta(0))
            self.time.move_to(max(boundary, self.now))

    def look_at_a_subscription(self) -> None:
        """Each in its turn, for all at once take longer than all the rest."""
        everybodys = [(customer, held) for customer in self.customers for held in customer.held]
        self.turn += 1
        customer, held = everybodys[self.turn % len(everybodys)]
        self._same_subscription(self.shop.subscription(held.id), customer, held)

    def _same_subscription(self, made: Subscription, customer: Customer, held: Held) -> None:
        status = SubscriptionStatus.ACTIVE if held.is_live(self.now) else SubscriptionStatus.CANCELLED
        assert (made.id, made.user_id, made.package.id, made.status) == (held.id, customer.id, held.offer.id, status)
        assert (made.started_at, made.ends_at) == (
            clock.to_wire(held.start),
            clock.to_wire(held.end) if held.end else None,
        )


def new_name() -> str:
    return f"name-{next(NUMBERS)}"


def last(things: list[Any], which: int) -> Any:
    """One of the newest; `which` -1 is the newest of all."""
    return things[max(which, -len(things))]


def outcome(call: Callable[[], Any]) -> Any:
    """What the call answers, or the name of the mistake that it is."""
    try:
        return call()
    except (MeterlineError, MistakeError) as mistake:
        return mistake.name


def told(consumption: Consumption | None) -> Told | None:
    if consumption is None:
        return None
    return consumption.used, consumption.budget, consumption.overage_enabled, consumption.reserved
