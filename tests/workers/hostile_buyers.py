"""Three hundred people who buy at once: each asks by both doors at the same time, and then does what such people do."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import httpx

from app.gateways.stripe_double.world import World

_URLS = {"successUrl": "https://example.com/thanks", "cancelUrl": "https://example.com/cart"}
_MUTATION = """
mutation ($userId: String, $templateId: String!, $successUrl: String!, $cancelUrl: String!) {
  link: generateSubscriptionLink(
    userId: $userId, templateId: $templateId, successUrl: $successUrl, cancelUrl: $cancelUrl
  ) { id url }
}
"""
_AT_ONCE = 16
_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 90.0


class Way(StrEnum):
    """What a buyer does with the page."""

    PAYS = "pays"
    PAYS_AND_BUYS_MORE = "pays, then buys an add-on, once"
    TAKES_A_SLOW_BANK = "takes a bank that pays days later"
    TAKES_A_BANK_THAT_REFUSES = "takes a bank that refuses days later"
    IS_DECLINED = "has a card that is declined, and leaves"
    LEAVES = "leaves"
    COMES_BACK = "leaves, and pays later"
    CANCELS = "pays, and cancels later"
    HAS_TWO_PAGES = "opens pages for two base packages, and pays one"


_WAYS = (Way.PAYS, *Way)


@dataclass
class Buyer:
    """`paid`: the packages that they paid for and have not given back. `links`: by template, what each call was answered."""

    id: str
    way: Way
    links: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    paid: set[str] = field(default_factory=set)

    def page(self, package_id: str) -> str:
        """The id of the session that the buyer was given."""
        return self.links[package_id][0][1].rpartition("/")[2]


def buyers(count: int) -> list[Buyer]:
    return [Buyer(f"user-{number}", _WAYS[number % len(_WAYS)]) for number in range(count)]


@dataclass
class Crowd:
    """All who buy. `templates`: the billing template of each package."""

    buyers: list[Buyer]
    world: World
    base_url: str
    secret_key: str
    templates: dict[str, str]
    done: int = 0

    def run(self) -> None:
        """Everybody comes and does what they do; what takes days is done by `days_later`."""
        asyncio.run(self._run())

    def days_later(self) -> None:
        """The banks pay, and who had left comes back and pays. Nobody tells of it: no webhook, and no event in Stripe's list."""
        with unheard(self.world):
            for buyer in self.buyers:
                if buyer.way is Way.TAKES_A_SLOW_BANK:
                    self.world.settle(buyer.page("pro"))
                    buyer.paid.add("pro")
                if buyer.way is Way.COMES_BACK:
                    self._pay(buyer, "pro")

    def banks_refuse(self) -> None:
        for buyer in self.buyers:
            if buyer.way is Way.TAKES_A_BANK_THAT_REFUSES:
                self.world.settle(buyer.page("pro"), paid=False)

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=3 * _AT_ONCE)
        async with httpx.AsyncClient(
            base_url=self.base_url,
            headers={"Authorization": self.secret_key},
            trust_env=False,
            timeout=30,
            limits=limits,
        ) as http:
            doors = _Doors(http)
            turn = asyncio.Semaphore(_AT_ONCE)
            async with asyncio.TaskGroup() as everybody:
                for buyer in self.buyers:
                    everybody.create_task(self._come(buyer, doors, turn))

    async def _come(self, buyer: Buyer, doors: "_Doors", turn: asyncio.Semaphore) -> None:
        async with turn:
            await self._ask(buyer, doors, "pro")
            if buyer.way is Way.HAS_TWO_PAGES:
                await self._ask(buyer, doors, "team")
        self._act(buyer)
        self.done += 1
        if buyer.way is Way.PAYS_AND_BUYS_MORE:
            # As soon as the base package is there.
            await self._ask(buyer, doors, "boost")
            self._pay(buyer, "boost")

    async def _ask(self, buyer: Buyer, doors: "_Doors", package_id: str) -> None:
        wish = {"userId": buyer.id, "templateId": self.templates[package_id], **_URLS}
        asking = asyncio.gather(_given(lambda: doors.rest(wish)), _given(lambda: doors.graphql(wish)))
        try:
            buyer.links[package_id] = list(await asyncio.wait_for(asking, _PATIENCE_SECONDS))
        except TimeoutError:
            heard = doors.heard.get(buyer.id)
            raise AssertionError(f"{buyer.id} ({buyer.way}) got no link to {package_id}: {heard}") from None

    def _act(self, buyer: Buyer) -> None:
        match buyer.way:
            case Way.TAKES_A_SLOW_BANK | Way.TAKES_A_BANK_THAT_REFUSES:
                self.world.pay_later(buyer.page("pro"))
            case Way.IS_DECLINED:
                self.world.decline(buyer.page("pro"))
            case Way.LEAVES | Way.COMES_BACK:
                pass
            case _:
                self._pay(buyer, "pro")

    def _pay(self, buyer: Buyer, package_id: str) -> None:
        self.world.pay(buyer.page(package_id), email=f"{buyer.id}@example.com")
        buyer.paid.add(package_id)


class _Doors:
    """Each call answers (id, url), or None: ask again. `heard`: what each buyer was told last."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.heard: dict[str, str] = {}

    async def rest(self, wish: dict[str, str]) -> tuple[str, str] | None:
        answer = await self._post(wish, "/v1/subscription-links", wish)
        if answer is None or answer.status_code != httpx.codes.CREATED:
            # What will never work must not be asked for again and again.
            assert answer is None or answer.json().get("title") != "Link not possible", answer.text
            return None
        return answer.json()["id"], answer.json()["url"]

    async def graphql(self, wish: dict[str, str]) -> tuple[str, str] | None:
        answer = await self._post(wish, "/graphql", {"query": _MUTATION, "variables": wish})
        if answer is None or answer.status_code != httpx.codes.OK or "errors" in answer.json():
            return None
        link = answer.json()["data"]["link"]
        return link["id"], link["url"]

    async def _post(self, wish: dict[str, str], path: str, body: object) -> httpx.Response | None:
        try:
            answer = await self._http.post(path, json=body)
        except httpx.TransportError:
            return None  # web was killed just now
        self.heard[wish["userId"]] = answer.text
        return answer


async def _given(ask: Callable[[], Awaitable[tuple[str, str] | None]]) -> tuple[str, str]:
    while True:
        given = await ask()
        if given is not None:
            return given
        await asyncio.sleep(_LOOK_SECONDS)


@contextmanager
def unheard(world: World) -> Iterator[None]:
    """What happens within leaves no event behind. Meanwhile nobody else is answered."""
    with world.account.lock:
        events = world.account.state.objects["event"]
        known = set(events)
        yield
        for event_id in set(events) - known:
            del events[event_id]
