"""The services on a real database against a naive model: any story of subscribing, using, reserving and time going by."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from app import clock
from tests.services.books_by_hand import read_books
from tests.services.metering_model import Customer
from tests.services.shop import Shop, counted
from tests.services.stories import OFFERS, told
from tests.services.stories_of_reservations import StoryOfReservations

PAST_PERIODS_MAX = 366


class Metering(StoryOfReservations):
    """After each step everything that can be asked is asked."""

    @invariant()
    def both_say_the_same(self) -> None:
        for customer in getattr(self, "customers", ()):
            self._compare_access(customer)
            self._compare_usage(customer)
        if hasattr(self, "customers"):
            self._compare_books()
            self.look_at_a_subscription()
            self.look_at_a_reservation()

    def _compare_access(self, customer: Customer) -> None:
        found = self.shop.access(4, user_id=customer.id)
        decider, standing = customer.decider(self.now), customer.standing(self.now, self.now)
        _, window, consumption = standing or (None, None, None)
        assert found.access == customer.may_use(4, self.now)
        assert found.package_id == (decider.offer.id if decider else None)
        assert told(found.consumption) == consumption
        assert (found.period_start, found.period_end) == (
            (clock.to_wire(window.begin), clock.to_wire(window.end)) if window else (None, None)
        )

    def _compare_usage(self, customer: Customer) -> None:
        """The current period and those before it."""
        shown = self.shop.usage(user_id=customer.id)
        decider = customer.decider(self.now)
        windows = decider.windows_until(self.now) if decider else []
        expected = [
            (clock.to_wire(window.begin), clock.to_wire(window.end), customer.told(decider.offer, window, self.now))
            for window in reversed(windows[-PAST_PERIODS_MAX - 1 :])
            if decider
        ]
        listed = [shown.current, *shown.past] if shown.current else shown.past
        assert [(part.period_start, part.period_end, told(part.consumption)) for part in listed] == expected

    def _compare_books(self) -> None:
        """The ledgers hold what was recorded, in order of arrival, and the counters are what they add up to."""
        ids = [customer.id for customer in self.customers]
        for customer, book in zip(self.customers, read_books(self.shop.actor.tenant_id, ids), strict=True):
            assert book.lines == [(event.at, event.action, event.amount) for event in customer.events if event.recorded]
            assert book.counter_is_right()


def test_any_story_ends_as_the_naive_model_says(shop: Shop) -> None:
    shop.feature()
    for offer in OFFERS:
        shop.package(offer.id, counted(offer.limit, offer.per, overage=offer.overage), is_addon=offer.is_addon)

    class MeteringInThisShop(Metering):
        pass

    MeteringInThisShop.shop = shop
    run_state_machine_as_test(
        MeteringInThisShop,
        settings=settings(max_examples=24, stateful_step_count=25, suppress_health_check=list(HealthCheck)),
    )
