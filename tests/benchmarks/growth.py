"""What a call costs when the ledger is long: a database for each length, each with its own web process, measured in turn."""

from collections.abc import Callable, Iterator, Sequence

from tests.benchmarks import requests
from tests.benchmarks.ledger_rows import fill_ledger
from tests.benchmarks.measures import Measure, interleaved, over_http
from tests.benchmarks.samples import Sample
from tests.benchmarks.servers import Servers, vacuum
from tests.benchmarks.shop import Shop, open_shop, use_once

SMALLEST = 4
"""Powers of ten; every other length is compared with this one."""

_STREAMS = {"rest": requests.rest, "rest-keys": requests.rest_with_keys}

Grown = tuple[str, int]
"""The name of the scenario, and the power of ten of the ledger's length."""


def measure_growth(
    servers: Servers,
    powers: Sequence[int],
    users: int,
    *,
    rounds: int,
    clients: int,
    seconds: float,
    say: Callable[[str], None],
) -> dict[Grown, list[Sample]]:
    shops = {power: _with_ledger(servers, power, users, say) for power in sorted({SMALLEST, *powers})}
    # After the last checkpoint, so that in each ledger the page of every user's next event has been written once since.
    for power, shop in shops.items():
        with servers.product_at(_url(servers, power)):
            use_once(shop)
    measures = dict(measure for power, shop in shops.items() for measure in _measures(servers, power, shop))
    interleaved(measures, rounds=1, clients=clients, seconds=seconds, say=lambda _: say("warming up"))
    return interleaved(measures, rounds=rounds, clients=clients, seconds=seconds, say=say)


def _with_ledger(servers: Servers, power: int, users: int, say: Callable[[str], None]) -> Shop:
    def report(done: int) -> None:
        say(f"filling a ledger of 10^{power}: {done:,} events")

    url = servers.postgres.create(f"growth_{power}")
    with servers.product_at(url):
        shop = open_shop(users)
    fill_ledger(url, shop, 10**power, report)
    say(f"vacuuming a ledger of 10^{power}")
    vacuum(url)
    return shop


def _measures(servers: Servers, power: int, shop: Shop) -> Iterator[tuple[Grown, Measure]]:
    web = servers.web(_url(servers, power))
    for name, requests_of in _STREAMS.items():
        stream = requests_of(shop.tenant.secret_key, [f"u{number}" for number in range(shop.users)])
        yield (name, power), over_http(web, servers.postgres.pid, stream, b'"recorded":true')


def _url(servers: Servers, power: int) -> str:
    return servers.postgres.url_of(f"growth_{power}")
