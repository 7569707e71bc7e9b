"""A month in which much goes wrong: at its end the bill is the overage, to the unit."""

import random
from contextlib import suppress
from datetime import timedelta

import pytest

from app import clock
from app.db import transaction
from app.domain.periods import Period, ResetPeriod
from app.errors import RevertError
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double.faults import FaultKind
from app.queries.ledger import replayed_totals
from app.services import reverts
from app.services.meter_reports import send_reports
from app.services.overage import report_overage
from app.services.overage_checks import compare_overage
from tests.services.shop import DAY, MONTH, SET
from tests.stripe.market import API_KEY
from tests.stripe.metering import BEGAN, Metering

END = BEGAN + timedelta(days=31)
STEPS = 220
LIMIT = 100


class Killed(BaseException):
    pass


class DeadlyGateway(StripeGateway):
    """One in ten workers dies after Stripe was told, before it can note so."""

    chance: random.Random

    def send_meter_event(self, event_name: str, **what: object) -> None:
        super().send_meter_event(event_name, **what)  # type: ignore[arg-type]  # as it came
        if self.chance.random() < 0.1:
            raise Killed


def work(gateway: StripeGateway) -> None:
    report_overage()
    with suppress(Killed):
        send_reports(gateway)


def use_somehow(metering: Metering, chance: random.Random, recorded: list[str]) -> None:
    at = clock.now() - timedelta(hours=chance.choice([0, 0, 0, 1, 5, 30]))
    if at < BEGAN or at >= END:
        return
    match chance.randrange(9):
        case 0 if recorded:
            try:
                reverts.revert_usage(metering.market.shop.actor, chance.choice(recorded))
            except RevertError:
                recorded.clear()  # a taking back cannot be taken back
        case 1:
            recorded.append(metering.use(chance.randrange(200, 600), action=SET, timestamp=at))
        case 2:
            recorded.append(metering.use(-chance.randrange(1, 60), timestamp=at))
        case _:
            recorded.append(metering.use(chance.randrange(1, 40), timestamp=at))


def overage_by_the_ledger(metering: Metering) -> int:
    ((tenant_id, user_key, feature_key),) = metering.market.ask(
        "SELECT tenant_id, user_key, feature_key FROM metered_items WHERE tenant_id = :tenant_id"
    )
    found = metering.market.ask(
        "SELECT DISTINCT period_start, period_end FROM usage_events WHERE tenant_id = :tenant_id AND recorded"
    )
    windows = [((tenant_id, user_key, feature_key), Period(start, end)) for start, end in found]
    with transaction() as session:
        return sum(max(0, used - LIMIT) for used in replayed_totals(session, windows))


@pytest.mark.parametrize(("seed", "per"), [(1, MONTH), (2, MONTH), (3, DAY)])
def test_the_bill_of_a_month_full_of_faults_is_its_overage(metering: Metering, seed: int, per: ResetPeriod) -> None:
    chance = random.Random(seed)  # noqa: S311 — it makes a story that can be told again
    metering.sell(limit=LIMIT, per=per)
    metering.buy()
    world, recorded = metering.market.double.world, list[str]()
    gateway = DeadlyGateway(API_KEY, base=metering.market.double.url, tries_again=0)
    gateway.chance = chance
    for kind in (FaultKind.LOST_ANSWER, FaultKind.LOST_REQUEST, FaultKind.STORED_ERROR_AFTER, FaultKind.RATE_LIMIT):
        world.fail(kind, "POST /v1/billing/meter_events", times=0, rate=0.05)
    for step in range(STEPS):
        metering.move_to(BEGAN + (END - BEGAN) * step / STEPS)
        world.set_down(down=80 <= step < 90)
        use_somehow(metering, chance, recorded)
        if chance.random() < 0.7:
            work(gateway)
    world.mend()
    metering.move_to(END + timedelta(minutes=1))
    metering.copy()
    for minutes in (2, 10, 20, 40):
        metering.move_to(END + timedelta(minutes=minutes))
        metering.tell()

    due = overage_by_the_ledger(metering)
    assert (metering.counted_in(BEGAN, END), due > LIMIT) == (due, True)
    assert {state for _, _, _, state in metering.told()} <= {"SENT", "SUPERSEDED"}
    assert compare_overage(metering.market.gateway).handled == 1
    assert metering.tell() == 0
