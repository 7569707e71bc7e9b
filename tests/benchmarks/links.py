"""Links to pay by, and how long it takes until who paid has access: web, a worker, and the double of Stripe, each a process.

The limit for links is what the double makes by itself: checkout sessions, asked for by as many clients. Time to settle is from
the press on Pay to the first `canUseFeature` that says yes: a webhook, the inbox, a worker's look at Stripe, the copy.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx

from app.contract.billing import LinkPrice
from app.gateways.billing_shapes import BillingInterval, NewPrice
from app.gateways.stripe import StripeGateway
from app.services.billing import link_price
from tests.benchmarks.samples import Sample, sample_of
from tests.benchmarks.servers import Servers
from tests.benchmarks.shop import FEATURE
from tests.dev.starting import CHECKOUT, wait_until
from tests.races.web import Web, free_port
from tests.services.shop import Shop, counted
from tests.tenants import new_tenant
from tests.workers.stage import Stage

_KEY, _SECRET = "sk_test_of_the_benchmark", "whsec_of_the_benchmark_0123456789"
_PACKAGE, _TEMPLATE = "pro", "pro-monthly"
_PATIENCE_SECONDS = 30.0
_WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Links:
    """`bare`: the double's own sessions. `made`: links over REST. `settled`: one sample for each payment."""

    clients: int
    bare: Sample
    made: Sample
    settled: Sample

    def to_json(self) -> dict[str, float]:
        return {
            "clients": self.clients,
            "sessions_per_second_bare": round(self.bare.per_second, 1),
            "links_per_second": round(self.made.per_second, 1),
            "link_p50_ms": round(self.made.p50_ms, 3),
            "link_p99_ms": round(self.made.p99_ms, 3),
            "settled_p50_ms": round(self.settled.p50_ms, 3),
            "settled_p99_ms": round(self.settled.p99_ms, 3),
        }


@dataclass(frozen=True, slots=True)
class _Market:
    web: Web
    double_url: str
    price_id: str
    secret_key: str


def measure_links(servers: Servers, links: int, *, clients: int, say: Callable[[str], None]) -> Links:
    """So many links, and as many payments on them, by `clients` clients at once."""
    with _market(servers, links + _WARM_UP) as market:
        say("the double alone")
        bare = _timed(links, clients, lambda number: _bare_session(market, number))
        say(f"{links:,} links")
        urls = _Urls()
        _timed(_WARM_UP, clients, lambda number: _link(market, links + number, urls))
        made = _timed(links, clients, lambda number: _link(market, number, urls))
        say(f"{links:,} payments")
        # Fewer at once: buyers press Pay each by themselves, and each of these asks for access all the time.
        settled = _timed(links, max(1, clients // 4), lambda number: _settle(market, number, urls))
    return Links(clients, bare, made, settled)


class _Urls(dict[int, str]):
    """Where each buyer can pay."""


@contextmanager
def _market(servers: Servers, users: int) -> Iterator[_Market]:
    url, port = servers.postgres.create("links"), free_port()
    stripe = {
        "STRIPE_API_KEY": _KEY,
        "STRIPE_API_BASE": f"http://127.0.0.1:{port}",
        "STRIPE_WEBHOOK_SECRET": _SECRET,
        # What a sandbox allows is not what is measured.
        "STRIPE_LINKS_PER_SECOND": "1000",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    with servers.product_at(url, **stripe), ExitStack() as running:
        web = servers.web(url, **stripe)
        running.enter_context(_double(port, f"{web.url}/webhooks/stripe"))
        stage = Stage(url, servers.redis_url)
        running.callback(stage.stop)
        stage.start("worker", with_rows=False, concurrency=4, LOG_LEVEL="WARNING", **stripe)
        tenant = new_tenant()
        price_id = _sell(Shop(tenant.actor), stripe["STRIPE_API_BASE"])
        for number in range(users):
            Shop(tenant.actor).user(f"u{number}")
        yield _Market(web, stripe["STRIPE_API_BASE"], price_id, tenant.secret_key)


@contextmanager
def _double(port: int, webhooks_to: str) -> Iterator[None]:
    where = ["--port", str(port), "--webhooks-to", webhooks_to, "--webhook-secret", _SECRET]
    command = [sys.executable, "-m", "app.dev.stripe_double", "--stop-with-parent", *where]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL) as double:
        try:
            wait_until(lambda: _answers(f"http://127.0.0.1:{port}"))
            yield
        finally:
            double.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _sell(shop: Shop, double_url: str) -> str:
    shop.feature(FEATURE)
    shop.package(_PACKAGE, counted(1_000, feature_id=FEATURE))
    gateway = StripeGateway(_KEY, base=double_url)
    product = gateway.create_product(_PACKAGE, key="product")
    new = NewPrice(product_id=product.id, currency="eur", amount_minor=5_000, interval=BillingInterval.MONTH)
    price_id = gateway.create_price(new, key="price").id
    link_price(
        shop.actor,
        LinkPrice(id=_TEMPLATE, package_id=_PACKAGE, price_id=price_id, amount=5_000, currency="eur", interval="month"),
    )
    return price_id


def _timed(number: int, clients: int, do: Callable[[int], None]) -> Sample:
    def timed(each: int) -> float:
        began = time.perf_counter()
        do(each)
        return time.perf_counter() - began

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        durations = list(threads.map(timed, range(number)))
    return sample_of(durations, time.perf_counter() - began)


def _bare_session(market: _Market, number: int) -> None:
    form = {
        "mode": "subscription",
        "line_items[0][price]": market.price_id,
        "line_items[0][quantity]": "1",
        "success_url": "https://shop.example/thanks",
        "client_reference_id": f"bare-{number}",
    }
    headers = {"Authorization": f"Bearer {_KEY}", "Idempotency-Key": f"bare-{number}"}
    url = f"{market.double_url}/v1/checkout/sessions"
    httpx.post(url, data=form, headers=headers, timeout=_PATIENCE_SECONDS, trust_env=False).raise_for_status()


def _link(market: _Market, number: int, urls: _Urls) -> None:
    wish = {
        "userId": f"u{number}",
        "templateId": _TEMPLATE,
        "successUrl": "https://shop.example/thanks",
        "cancelUrl": "https://shop.example/",
    }
    answer = _ask(market, "POST", "/v1/subscription-links", wish)
    while answer.status_code == httpx.codes.ACCEPTED:  # it is still being made
        answer = _ask(market, "POST", "/v1/subscription-links", wish)
    urls[number] = answer.raise_for_status().json()["url"]


def _settle(market: _Market, number: int, urls: _Urls) -> None:
    httpx.post(urls[number], data={"press": "pay"}, timeout=_PATIENCE_SECONDS, trust_env=False)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    path = f"/v1/users/u{number}/features/{FEATURE}/access"
    while not _ask(market, "GET", path).json()["access"]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"u{number} paid, and has no access after {_PATIENCE_SECONDS:g} s")


def _ask(market: _Market, method: str, path: str, body: dict[str, str] | None = None) -> httpx.Response:
    headers = {"Authorization": market.secret_key}
    return httpx.request(
        method, f"{market.web.url}{path}", json=body, headers=headers, timeout=_PATIENCE_SECONDS, trust_env=False
    )
