"""Everything goes wrong at once while 300 people buy; then we and Stripe say the same, and who paid has what they paid for."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

import httpx
import pytest

from app.dev.processes import Processes
from app.dev.valkey import EmbeddedValkey
from app.domain.webhooks import WebhookEventType
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double import StripeDouble
from app.gateways.stripe_double.deliveries import WebhookFaults
from app.gateways.stripe_double.faults import FaultKind
from tests.gateways.takers import Taker
from tests.services.shop import Shop
from tests.services.told import listen, messages
from tests.stripe.market import API_KEY, SECRET, Market
from tests.tenants import Tenant
from tests.workers.hostile_books import differences, unlike
from tests.workers.hostile_buyers import Buyer, Crowd, Way, buyers
from tests.workers.stage import Stage, kill
from tests.workers.test_stripe_jobs import answers, free_port

T = TypeVar("T")

pytestmark = pytest.mark.processes

BUYERS = 300
CREATE = "POST /v1/checkout/sessions"
LIMITS = {"pro": 1_000, "team": 5_000, "boost": 9_000}
# The schedules of hours and minutes, in seconds.
SCHEDULES = {
    "SCHEDULE_STRIPE_REQUEUE_LINKS": "1",
    "SCHEDULE_STRIPE_SWEEP_LINKS": "1",
    "SCHEDULE_STRIPE_REQUEUE_INBOX": "1",
    "SCHEDULE_STRIPE_CATCH_UP_EVENTS": "1",
}
_TURNS, _TURN_SECONDS = 12, 5
_TEMPLATES = """
SELECT p.id, t.id FROM billing_templates t JOIN packages p ON p.tenant_id = t.tenant_id AND p.key = t.package_key
WHERE t.tenant_id = :tenant_id
"""
# What the rows wait for, and nobody in a test does.
_TIME_PASSES = (
    "UPDATE checkout_links SET sent_at = sent_at - interval '2 minutes' WHERE status = 'PENDING'",
    "UPDATE checkout_links SET look_at = now() WHERE look_at IS NOT NULL",
    "UPDATE stripe_inbox SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL",
)


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeDouble]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with StripeDouble(retries=(0.1, 0.2)) as started:
        yield started


@pytest.fixture
def market(shop: Tenant, double: StripeDouble) -> Iterator[Market]:
    with Taker() as nobody:
        gateway = StripeGateway(API_KEY, base=double.url)
        market = Market(Shop(shop.actor), shop.app_id, double, gateway, nobody, None)
        market.sell("pro", LIMITS["pro"])
        market.sell("team", LIMITS["team"])
        market.sell("boost", LIMITS["boost"], is_addon=True, is_once=True)
        yield market


def test_whatever_goes_wrong_who_paid_has_what_they_paid_for_and_nobody_else(
    stage: Stage, shop: Tenant, market: Market, broker: EmbeddedValkey
) -> None:
    port = free_port()
    crowd = Crowd(
        buyers=buyers(BUYERS),
        world=market.double.world,
        base_url=f"http://127.0.0.1:{port}",
        secret_key=shop.secret_key,
        templates={str(package_id): str(template_id) for package_id, template_id in market.ask(_TEMPLATES)},
    )
    for buyer in crowd.buyers:
        market.shop.user(buyer.id)
    listen(market.shop, WebhookEventType.CHECKOUT_COMPLETED, url="http://127.0.0.1:1/")
    environment = {
        "PORT": str(port),
        "STRIPE_API_KEY": API_KEY,
        "STRIPE_API_BASE": market.double.url,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_LINKS_PER_SECOND": "500",
        "STRIPE_SWEEPS_PER_SECOND": "500",
        **SCHEDULES,
    }
    processes = stage.start("web", "worker", "beat", with_rows=False, concurrency=4, **environment)
    stage.until(lambda: answers(port))

    send_webhooks(market, port)
    break_everything(market)
    with beside(stage, crowd.run) as everybody:
        stage.until(lambda: crowd.done > BUYERS // 4 or everybody.done(), seconds=120)
        kill_under_way(stage, market, processes, everybody.done)
        stage.until(lambda: crowd.done > BUYERS // 2 or everybody.done(), seconds=120)
        broker.kill()
        broker.start()
        stage.until(lambda: crowd.done > BUYERS * 3 // 4 or everybody.done(), seconds=120)
        send_webhooks(market, free_port())
        kill(processes.pid_of("web") or 0)
        stage.until(lambda: answers(port))

    # Nobody listens to Stripe's webhooks.
    market.double.world.mend()
    crowd.days_later()
    crowd.banks_refuse()
    cancel(market, crowd)
    send_webhooks(market, port)

    left = reconciled(stage, market, crowd)
    lost = market.double.world.overview().webhooks
    assert (lost.dropped > 0, lost.failed > 0) == (True, True)
    assert [processes.count_ends(name) for name in ("web", "worker", "beat")] == [1, 1, 0]
    assert left == [], "\n".join(left)
    assert unlike(crowd.buyers) == []
    wishes = sum(len(buyer.links) for buyer in crowd.buyers)
    assert stage.ask("SELECT count(*) FROM checkout_links") == wishes
    with beside(stage, lambda: wrongly_let(crowd)) as asked:
        pass
    assert asked.result() == []
    told = Counter(data["id"] for _, data in messages(market.shop))
    paid = sorted(link_id for (link_id,) in market.ask("SELECT id::text FROM checkout_links WHERE status = 'PAID'"))
    assert (sorted(told), set(told.values())) == (paid, {1})


def send_webhooks(market: Market, port: int) -> None:
    """From now on, and nowhere else."""
    market.double.world.send_webhooks_to(f"http://127.0.0.1:{port}/webhooks/stripe", SECRET, alone=True)


def break_everything(market: Market) -> None:
    """A tenth of all calls to Stripe fail; of its webhooks a fifth is lost and a fifth comes twice, in any order."""
    world = market.double.world
    world.break_webhooks(WebhookFaults(drop_rate=0.2, double_rate=0.2, shuffle=True, seed=1))
    for kind in (FaultKind.STORED_ERROR, FaultKind.STORED_ERROR_AFTER):
        world.fail(kind, CREATE, times=0, rate=0.05)
    for kind in (FaultKind.ERROR, FaultKind.LOST_ANSWER, FaultKind.LOST_REQUEST, FaultKind.RATE_LIMIT):
        world.fail(kind, times=0, rate=0.025)


def kill_under_way(stage: Stage, market: Market, processes: Processes, is_over: Callable[[], bool]) -> None:
    """The worker dies while Stripe makes pages for it, so nobody hears that they are there."""
    world = market.double.world
    world.fail(FaultKind.SLOW_INSIDE, CREATE, times=2, seconds=2)
    waiting = world.api.faults.waiting
    stage.until(lambda: is_over() or all(each.kind is not FaultKind.SLOW_INSIDE for each in waiting))
    kill(processes.pid_of("worker") or 0)


@contextmanager
def beside(stage: Stage, work: Callable[[], T]) -> Iterator["Future[T]"]:
    """It is done beside us, and waited for at the end of the block. Web would stand still if nobody read what it logs."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        yield done
        stage.until(done.done, seconds=120)
    done.result()


def cancel(market: Market, crowd: Crowd) -> None:
    """Of whoever wants no more: at once, and the money goes back."""
    subscriptions = {
        each["metadata"]["meterline_user"]: each["id"] for each in market.double.world.objects("subscription")
    }
    for buyer in crowd.buyers:
        if buyer.way is Way.CANCELS:
            market.gateway.cancel_subscription(subscriptions[buyer.id])
            buyer.paid.clear()


def reconciled(stage: Stage, market: Market, crowd: Crowd) -> list[str]:
    """What still differs after the schedules had their turns, and the time that they wait for has passed, a dozen times."""
    left: list[str] = []

    def is_settled() -> bool:
        left[:] = differences(stage, market.double.world, crowd.buyers)
        return not left

    for _ in range(_TURNS):
        for statement in _TIME_PASSES:
            stage.execute(statement)
        with suppress(AssertionError):
            stage.until(is_settled, seconds=_TURN_SECONDS)
            break
    return left


def wrongly_let(crowd: Crowd) -> list[str]:
    """Who may not use what they paid for, or may use what they did not, as the API says."""
    headers = {"Authorization": crowd.secret_key}
    with httpx.Client(base_url=crowd.base_url, headers=headers, trust_env=False) as http:
        return [line for buyer in crowd.buyers for line in _wrongly_let(http, buyer)]


def _wrongly_let(http: httpx.Client, buyer: Buyer) -> list[str]:
    allowed = max((LIMITS[package_id] for package_id in buyer.paid), default=0)
    lines = []
    for delta, should in [(allowed, True)] * bool(allowed) + [(allowed + 1, False)]:
        path = f"/v1/users/{buyer.id}/features/calls/access"
        answer = http.get(path, params={"delta": delta}).json()
        if answer["access"] is not should:
            lines.append(f"{buyer.id} ({buyer.way}, paid for {sorted(buyer.paid)}) at {delta}: {answer['reason']}")
    return lines
