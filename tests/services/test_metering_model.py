"""The services on a real database against a naive model: any story of subscribing, using, renaming and time going by."""

import itertools
from datetime import datetime, timedelta
from typing import Any

from freezegun import freeze_time
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app import clock
from app.contract.actors import Actor
from app.contract.usage import RecordedUsage
from app.contract.users import UpdateUser
from app.domain.metering import Enforcement
from app.domain.subscribing import SubscriptionStatus
from app.services import users
from tests.services.metering_model import Answer, Customer, Held, Offer
from tests.services.shop import ADD, DAY, MONTH, SET, YEAR, Shop, counted

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
NOBODYS_NAME = itertools.count(1)
MILLISECOND = timedelta(milliseconds=1)

who = st.integers(0, 1)
deltas = st.one_of(st.integers(1, 12), st.integers(-12, -1))
usages = st.one_of(st.tuples(st.just(ADD), deltas), st.tuples(st.just(SET), st.integers(0, 26)))


class Metering(RuleBasedStateMachine):
    """Two customers of a shop that others have used before; both sides do everything, and must say the same."""

    shop: Shop

    @initialize(start=st.sampled_from(STARTS), offers=st.tuples(st.sampled_from(BASES), st.sampled_from(BASES)))
    def open(self, start: str, offers: tuple[Offer, Offer]) -> None:
        self.frozen = freeze_time(start)
        self.time = self.frozen.start()
        self.customers = [Customer(self._new_name()) for _ in range(2)]
        self.keys: list[tuple[str, Customer, Any, RecordedUsage]] = []
        # Without a subscription from the start, most stories would be of customers who may do nothing.
        for customer, offer in zip(self.customers, offers, strict=True):
            self.shop.user(customer.id)
            self._keep(customer, offer)

    def teardown(self) -> None:
        self.frozen.stop()

    @property
    def now(self) -> datetime:
        return clock.now()

    @staticmethod
    def _new_name() -> str:
        return f"customer-{next(NOBODYS_NAME)}"

    def _keep(self, customer: Customer, offer: Offer) -> None:
        (made,) = self.shop.subscribe(offer.id, user_id=customer.id)
        held = Held(made.id, offer, self.now)
        base = customer.base(self.now)
        if offer.is_addon and base is not None:
            held.end = base.end
        customer.held.append(held)

    @rule(n=who, offer=st.sampled_from(BASES))
    def subscribe_to_a_base(self, n: int, offer: Offer) -> None:
        if self.customers[n].base(self.now) is None:
            self._keep(self.customers[n], offer)

    @rule(n=who, offer=st.sampled_from(ADDONS))
    def subscribe_to_an_addon(self, n: int, offer: Offer) -> None:
        if self.customers[n].base(self.now) is not None:
            self._keep(self.customers[n], offer)

    @rule(n=who, which=st.integers(-3, -1), at_period_end=st.booleans())
    def cancel(self, n: int, which: int, at_period_end: bool) -> None:
        customer = self.customers[n]
        held = customer.held[max(which, -len(customer.held))]
        self.shop.cancel(held.id, at_period_end=at_period_end)
        customer.cancel(held, self.now, at_period_end=at_period_end)

    @rule(n=who, offer=st.sampled_from(BASES))
    def change(self, n: int, offer: Offer) -> None:
        base = self.customers[n].base(self.now)
        if base is not None:
            self.shop.change(base.id, offer.id)
            base.offer = offer

    @rule(n=who, several=st.lists(usages, min_size=1, max_size=6), keyed=st.booleans())
    def record(self, n: int, several: list[Any], keyed: bool) -> None:
        for usage in several:
            self._record(self.customers[n], usage, Enforcement.REFUSE, keyed=keyed)

    @rule(n=who, usage=usages)
    def record_whatever_the_limit(self, n: int, usage: Any) -> None:
        self._record(self.customers[n], usage, Enforcement.RECORD, keyed=False)

    def _record(self, customer: Customer, usage: Any, enforcement: Enforcement, *, keyed: bool) -> None:
        action, delta = usage
        shop = Shop(Actor(self.shop.actor.tenant_id, self.shop.actor.app_id, enforcement))
        key = f"key of {self._new_name()}" if keyed else None
        made = shop.record(delta, action, user_id=customer.id, idempotency_key=key)
        expected = customer.record(self.now, action, delta, over_limit_too=enforcement is Enforcement.RECORD)

        assert made.duplicate is False
        assert Answer(made.recorded, made.reason, made.consumption.used if made.consumption else None) == expected
        if key is not None:
            self.keys.append((key, customer, usage, made))

    @precondition(lambda self: self.keys)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        key, customer, (action, delta), first = data.draw(st.sampled_from(self.keys))
        again = self.shop.record(delta, action, user_id=customer.id, idempotency_key=key)
        assert again.duplicate is True
        assert (again.event_id, again.recorded, again.reason, again.consumption) == (
            first.event_id,
            first.recorded,
            first.reason,
            first.consumption,
        )

    @rule(n=who)
    def rename(self, n: int) -> None:
        new_name = self._new_name()
        users.update_user(self.shop.actor, self.customers[n].id, UpdateUser(id=new_name))
        self.customers[n].id = new_name

    @rule(n=who, offer=st.sampled_from(BASES))
    def come_back(self, n: int, offer: Offer) -> None:
        """As `subscribe_to_a_base`: twice as likely, or stories would end with the first cancellation."""
        self.subscribe_to_a_base(n, offer)

    @rule(step=st.sampled_from([MILLISECOND, timedelta(hours=7), timedelta(days=1), timedelta(days=26)]))
    def let_time_pass(self, step: timedelta) -> None:
        self.time.tick(step)

    @rule(n=who, early=st.booleans())
    def go_to_the_next_boundary(self, n: int, early: bool) -> None:
        decider = self.customers[n].decider(self.now)
        if decider is not None and decider.offer.per is not YEAR:
            boundary = decider.periods_until(self.now)[-1][1] - (MILLISECOND if early else timedelta(0))
            self.time.move_to(max(boundary, self.now))

    @rule(n=who)
    def look_back(self, n: int) -> None:
        customer = self.customers[n]
        shown = self.shop.usage(user_id=customer.id)
        decider = customer.decider(self.now)
        periods = decider.periods_until(self.now) if decider else []
        expected = [
            (clock.to_wire(start), clock.to_wire(end), customer.used_in(start, end)) for start, end in reversed(periods)
        ]
        listed = [shown.current, *shown.past] if shown.current else shown.past
        assert [(part.period_start, part.period_end, part.consumption.used) for part in listed] == expected[:367]

    @invariant()
    def both_say_the_same(self) -> None:
        for customer in getattr(self, "customers", ()):
            self._compare_access(customer)
            self._compare_subscriptions(customer)

    def _compare_access(self, customer: Customer) -> None:
        found = self.shop.access(4, user_id=customer.id)
        decider = customer.decider(self.now)
        assert found.access == customer.may_use(4, self.now)
        assert found.package_id == (decider.offer.id if decider else None)
        assert (found.consumption.used if found.consumption else None) == customer.used(self.now)

    def _compare_subscriptions(self, customer: Customer) -> None:
        for held in customer.held[-3:]:
            found = self.shop.subscription(held.id)
            live = held.is_live(self.now)
            assert (found.status is SubscriptionStatus.ACTIVE) == live
            assert (found.ends_at, found.package.id) == (clock.to_wire(held.end) if held.end else None, held.offer.id)


def test_any_story_ends_as_the_naive_model_says(shop: Shop) -> None:
    shop.feature()
    for offer in OFFERS:
        shop.package(offer.id, counted(offer.limit, offer.per, overage=offer.overage), is_addon=offer.is_addon)

    class MeteringInThisShop(Metering):
        pass

    MeteringInThisShop.shop = shop
    run_state_machine_as_test(
        MeteringInThisShop,
        settings=settings(max_examples=22, stateful_step_count=25, suppress_health_check=list(HealthCheck)),
    )
