"""More than can be done now: what somebody holds, and what is too much, is told to those whom it concerns and to nobody else."""

import asyncio
import resource
import time
from collections.abc import Coroutine
from typing import Any

import psycopg
import pytest

from tests.races.books import Books
from tests.races.collision import counters_held, held
from tests.races.conftest import Ways
from tests.races.doors import Rest, answered, at_once, refused
from tests.races.shop import FEATURE, Shop
from tests.races.web import Web
from tests.races.wire import Answer, Wire
from tests.tenants import Tenant, new_tenant
from tests.until import until

pytestmark = pytest.mark.processes

WAITING_MAX = 5_000
BATCH_MAX = 512


async def timed(calls: list[Coroutine[Any, Any, Any]]) -> tuple[list[Any], float]:
    """The outcomes of the calls, all at once, and the seconds that the longest took."""
    took: list[float] = []

    async def one(call: Coroutine[Any, Any, Any]) -> Any:
        began = time.monotonic()
        try:
            return await call
        finally:
            took.append(time.monotonic() - began)

    return await at_once(map(one, calls), most=len(calls)), max(took)


async def test_a_held_counter_makes_its_own_calls_wait_and_fail_in_the_end_and_no_others(
    ways: Ways, shop: Shop, books: Books
) -> None:
    rest, graphql = ways.rest[0], ways.graphql[0]
    package = shop.package(shop.feature(FEATURE))
    ada, *others = [shop.user(package) for _ in range(9)]
    first = await rest.record(userId=ada, featureId=FEATURE)

    def everything(user: str) -> list[Coroutine[Any, Any, Any]]:
        event = {"userId": user, "featureId": FEATURE}
        return [
            rest.record(**event),
            graphql.record(**event),
            rest.post("/v1/usage/batch", {"events": [event]}),
            rest.post("/v1/reservations", event),
        ]

    with psycopg.connect(books.database_url) as holder:
        holder.execute("SELECT FROM consumptions WHERE tenant_id = %s FOR UPDATE", (books.tenant_id,))
        adas = [call for _ in range(8) for call in everything(ada)]
        held_up = asyncio.create_task(timed(adas))
        reverts = asyncio.create_task(timed([rest.post(f"/v1/usage/events/{first['eventId']}/revert")]))
        longest = 0.0
        while not held_up.done():
            check = f"/v1/users/{ada}/features/{FEATURE}/access"
            calls = [call for user in others for call in everything(user)] + [rest.call("GET", check)]
            outcomes, took = await timed(calls)
            assert refused(outcomes) == []
            longest = max(longest, took)
        outcomes, waited = await held_up
        reverted, _ = await reverts

    assert [(refusal.code, refusal.name) for refusal in refused(outcomes + reverted)] == [
        ("OVERLOADED", "OverloadedError")
    ] * 33
    assert waited > 5 > longest
    assert books.used(ada) == 1
    outcomes = await at_once(everything(ada))
    assert refused(outcomes) == []
    assert books.used(ada) == 4


async def test_threads_that_all_wait_for_one_users_row_leave_usage_and_access_alone_and_let_new_callers_in(
    ways: Ways, webs: list[Web], shop: Shop, books: Books
) -> None:
    rest, strangers = ways.rest[0], [new_tenant() for _ in range(20)]
    package = shop.package(shop.feature(FEATURE))
    ada, bob = shop.user(package), shop.user(package)
    await rest.record(userId=bob, featureId=FEATURE)

    with held(books, [("users", ada)]):
        renames = [rest.call("PATCH", f"/v1/users/{ada}", {"id": f"ada-{n}"}) for n in range(30)]
        waiting = asyncio.create_task(timed(renames))
        answers, longest = [], 0.0
        while not waiting.done():
            check = rest.call("GET", f"/v1/users/{bob}/features/{FEATURE}/access")
            outcomes, took = await timed([rest.record(userId=bob, featureId=FEATURE), check])
            answers += answered(outcomes)
            longest = max(longest, took)
            if strangers:
                outcomes, took = await timed([ask_as(strangers.pop(), webs[0])])
                assert [refusal.name for refusal in refused(outcomes)] == ["UserNotFoundError"]
                longest = max(longest, took)
        outcomes, waited = await waiting

    assert {(refusal.status, refusal.code) for refusal in refused(outcomes)} == {(503, "OVERLOADED")}
    assert len(refused(outcomes)) == 30
    assert waited > 5 > longest
    assert len(answers) > 20
    assert strangers == []
    assert books.used(bob) == 1 + len(answers) // 2


async def ask_as(stranger: Tenant, web: Web) -> None:
    async with Wire(web.url, stranger.secret_key) as wire:
        await Rest(wire).call("GET", f"/v1/users/nobody/features/{FEATURE}/access")


async def test_when_five_thousand_calls_wait_further_ones_are_told_to_come_again_and_nothing_is_done_for_them(
    webs: list[Web], tenant: Tenant, ways: Ways, shop: Shop, books: Books
) -> None:
    sent = WAITING_MAX + 500
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < 2 * sent:
        pytest.skip(f"a process may have no more than {most} files open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, 2 * sent), most))
    user = shop.user(shop.package(shop.feature(FEATURE)))
    await ways.rest[0].record(userId=user, featureId=FEATURE)
    answers: list[Answer] = []

    async with Wire(webs[0].url, tenant.secret_key) as wire:

        async def record() -> None:
            answers.append(await wire.post("/v1/usage", json={"userId": user, "featureId": FEATURE}))

        with counters_held(books):
            calls = [asyncio.create_task(record()) for _ in range(sent)]
            await until(lambda: len(answers) > 0)
            told = list(answers)
        await asyncio.gather(*calls)

    assert {(answer.status_code, answer.headers["retry-after"]) for answer in told} == {(503, "1")}
    recorded = [answer.json() for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} == {200, 503}
    # One batch is under way, one more may be by the time that the last have come.
    assert WAITING_MAX <= len(recorded) <= WAITING_MAX + 2 * BATCH_MAX
    assert books.used(user) == 1 + len(recorded)
    assert len({answer["eventId"] for answer in recorded}) == len(recorded)
