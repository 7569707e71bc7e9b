"""Stories of reservations: made, settled, freed, forgotten."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from app import clock
from app.contract.reservations import CommitReservation, Reservation, ReservedUsage, ReserveUsage
from app.domain.reservations import ReservationStatus
from app.services.reservations import commit_reservation, get_reservation, release_reservation, reserve_usage
from tests.services.batch_model import Asked
from tests.services.metering_model import Customer, Hold
from tests.services.shop import ADD
from tests.services.stories import MILLISECOND, any_of_the_last, last, new_name, outcome, told, who
from tests.services.stories_of_usage import StoryOfUsage

HELD = ReservationStatus.HELD
amounts = st.integers(1, 5)
ttls = st.sampled_from([1, 60, 300, 86_400])
pauses = st.sampled_from([timedelta(0), MILLISECOND, MILLISECOND, timedelta(seconds=30)])
more_or_less = st.one_of(st.none(), st.integers(-5, 6))


class StoryOfReservations(StoryOfUsage):
    def __init__(self) -> None:
        super().__init__()
        self.first_answers: dict[str, tuple[str | None, int, ReservedUsage]] = {}

    @rule(n=who, amount=amounts, ttl=ttls, over_limit_too=st.sampled_from([False, False, False, True]))
    def reserve(self, n: int, amount: int, ttl: int, over_limit_too: bool) -> None:
        self._reserve(n, amount, ttl, over_limit_too=over_limit_too)

    @rule(n=who, amount=amounts, ttl=ttls)
    def reserve_at_the_end_of_a_period(self, n: int, amount: int, ttl: int) -> None:
        self.go_to_the_next_boundary(n, early=True)
        self._reserve(n, amount, ttl)

    def _reserve(self, n: int, amount: int, ttl: int, *, over_limit_too: bool = False) -> None:
        customer = self.customers[n]
        key = new_name() if ttl > 1 else None
        made = reserve_usage(self.actor(over_limit_too=over_limit_too), _command(customer, amount, ttl, key))
        hold, reason, consumption = customer.reserve(
            self.now, amount, timedelta(seconds=ttl), over_limit_too=over_limit_too
        )
        assert (made.reserved, made.reason, made.duplicate) == (hold is not None, reason, False)
        assert told(made.consumption) == consumption
        assert (made.reservation is not None) == (hold is not None)
        if made.reservation is not None and hold is not None:
            hold.number = made.reservation.id
            self._same_reservation(made.reservation, customer, hold)
            self.first_answers[hold.number] = (key, ttl, made)

    @precondition(lambda self: self._all_holds())
    @rule(which=any_of_the_last, more=st.sampled_from([0, 0, 1]))
    def reserve_again(self, which: int, more: int) -> None:
        """With the same key; the first answer, and what the reservation is now."""
        customer, hold = self._hold(which)
        key, ttl, first = self.first_answers[hold.number]
        if key is None:
            return
        made = outcome(lambda: reserve_usage(self.shop.actor, _command(customer, hold.amount + more, ttl, key)))
        if more:
            assert made == "IdempotencyConflictError"
            return
        assert (made.reserved, made.reason, made.duplicate) == (True, None, True)
        assert made.consumption == first.consumption
        self._same_reservation(made.reservation, customer, hold)

    @rule(
        n=who,
        amount=amounts,
        at_the_end=st.booleans(),
        meanwhile=st.sampled_from([None, None, 2, 11]),
        pause=pauses,
        more=more_or_less,
        over_limit_too=st.booleans(),
    )
    def settle(
        self,
        n: int,
        amount: int,
        at_the_end: bool,
        meanwhile: int | None,
        pause: timedelta,
        more: int | None,
        over_limit_too: bool,
    ) -> None:
        """With what was held, with less, or with more, while use goes on, even over the limit, and so does time.

        Without an open reservation one is made first.
        """
        if at_the_end:
            self.go_to_the_next_boundary(n, early=True)
        if not self._open_holds():
            self._reserve(n, amount, 60)
        if meanwhile is not None:
            self._record(Asked(self.customers[n], ADD, meanwhile), over_limit_too=True)
        self.time.tick(pause)
        if self._all_holds():
            self._settle(-1, more, over_limit_too=over_limit_too)

    @precondition(lambda self: self._all_holds())
    @rule(which=any_of_the_last, more=more_or_less)
    def settle_whatever_it_is(self, which: int, more: int | None) -> None:
        self._settle(which, more)

    def _settle(self, which: int, more: int | None, *, over_limit_too: bool = False) -> None:
        customer, hold = self._hold(which)
        delta = None if more is None else max(0, hold.amount + more)
        actor = self.actor(over_limit_too=over_limit_too)
        made = outcome(lambda: commit_reservation(actor, hold.number, CommitReservation(delta=delta)))
        self._same(made, outcome(lambda: customer.commit(hold, delta, self.now, over_limit_too=over_limit_too)))

    @precondition(lambda self: self._all_holds())
    @rule(which=any_of_the_last)
    def release(self, which: int) -> None:
        customer, hold = self._hold(which)
        made = outcome(lambda: release_reservation(self.shop.actor, hold.number))
        expected = outcome(lambda: customer.release(hold, self.now))
        if isinstance(made, str):
            assert made == expected
        else:
            self._same_reservation(made, customer, hold)

    def look_at_a_reservation(self) -> None:
        """Each in its turn."""
        holds = self._all_holds()
        if holds:
            customer, hold = holds[self.turn % len(holds)]
            self._same_reservation(get_reservation(self.shop.actor, hold.number), customer, hold)

    def _all_holds(self) -> list[tuple[Customer, Hold]]:
        return [(customer, hold) for customer in self.customers for hold in customer.holds]

    def _open_holds(self) -> list[tuple[Customer, Hold]]:
        return [(customer, hold) for customer, hold in self._all_holds() if hold.status(self.now) is HELD]

    def _hold(self, which: int) -> tuple[Customer, Hold]:
        """Odd numbers choose among those that are open, if there are any."""
        chosen: tuple[Customer, Hold] = last((which % 2 and self._open_holds()) or self._all_holds(), which)
        return chosen

    def _same_reservation(self, made: Reservation, customer: Customer, hold: Hold) -> None:
        assert made == Reservation(
            id=hold.number,
            user_id=customer.id,
            feature_id="calls",
            amount=hold.amount,
            status=hold.status(self.now),
            created_at=clock.to_wire(hold.at),
            expires_at=clock.to_wire(hold.expires),
            event_id=hold.event.number if hold.event else None,
        )


def _command(customer: Customer, amount: int, ttl: int, key: str | None) -> ReserveUsage:
    return ReserveUsage(user_id=customer.id, feature_id="calls", delta=amount, ttl_seconds=ttl, idempotency_key=key)
