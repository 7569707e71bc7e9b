"""Overage on its way to Stripe's meter through real processes: beat sends the jobs, workers do them, and one is killed at it."""

from datetime import timedelta

import pytest

from app import clock
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double import StripeDouble
from app.gateways.stripe_double.faults import FaultKind
from tests.gateways.takers import Taker
from tests.services.shop import Shop
from tests.stripe.market import API_KEY, Market
from tests.stripe.metering import Metering
from tests.tenants import Tenant
from tests.workers.stage import Stage, children, kill

pytestmark = pytest.mark.processes

EVENTS = "/v1/billing/meter_events"


def stay(_moment: object) -> None:
    raise AssertionError("here the clock is the real one")


def asked(double: StripeDouble) -> int:
    return sum(each.path == EVENTS for each in double.world.requests())


def test_a_worker_that_is_killed_while_it_tells_is_followed_by_one_that_tells_again_and_it_counts_once(
    stage: Stage, shop: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with StripeDouble() as double, Taker() as nobody:
        gateway = StripeGateway(API_KEY, base=double.url)
        metering = Metering(Market(Shop(shop.actor), shop.app_id, double, gateway, nobody, None), stay)
        metering.sell()
        metering.buy()
        # It was bought five hours ago, so there are hours that are over.
        stage.execute("UPDATE subscriptions SET started_at = started_at - interval '5 hours'")
        stage.execute("UPDATE metered_items SET since = since - interval '5 hours'")
        for hours, units in ((4, 120), (3, 30)):
            metering.use(units, timestamp=clock.now() - timedelta(hours=hours))

        double.world.fail(FaultKind.SLOW_INSIDE, f"POST {EVENTS}", times=1, seconds=3)
        environment = {"STRIPE_API_KEY": API_KEY, "STRIPE_API_BASE": double.url}
        worker = stage.start(
            "worker",
            "beat",
            with_rows=False,
            SCHEDULE_STRIPE_REPORT_OVERAGE="1",
            SCHEDULE_STRIPE_SEND_METER_REPORTS="1",
            **environment,
        )
        # The double is at it, and will have counted it when nobody is there to hear so.
        stage.until(lambda: not double.world.api.faults.waiting)
        main = worker.pid_of("worker")
        assert main is not None
        (child,) = children(main)
        kill(child)
        stage.until(lambda: asked(double) == 1 and children(main) not in ([child], []))
        assert stage.ask("SELECT count(*) FROM meter_reports WHERE state = 'SENT'") == 0
        # Nobody waits five minutes for this test.
        stage.execute("UPDATE metered_items SET leased_until = now()")
        stage.until(lambda: stage.ask("SELECT count(*) FROM meter_reports WHERE state = 'SENT'") == 2)

        events = double.world.objects("billing.meter_event")
        assert sorted(int(each["payload"]["value"]) for each in events) == [20, 30]
        assert asked(double) == 3
