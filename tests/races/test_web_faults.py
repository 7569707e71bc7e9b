"""Web processes that are killed while they count: what was acknowledged is in the books, and a repeat settles the rest."""

import asyncio

import httpx
import pytest

from tests.races.books import Books
from tests.races.conftest import Ways
from tests.races.settling import Callers
from tests.races.shop import FEATURE, Shop
from tests.races.web import Web
from tests.until import until

pytestmark = pytest.mark.processes

CALLERS = 24


async def test_after_kill_9_again_and_again_every_acknowledged_event_is_booked_once_and_repeats_settle_the_rest(
    crew: Web, crew_ways: Ways, shop: Shop, books: Books
) -> None:
    package, scarce = shop.package(shop.feature(FEATURE)), shop.package(FEATURE, limit=40)
    users = [*[shop.user(package) for _ in range(5)], shop.user(scarce)]
    callers = Callers(crew_ways.through("mix", 4), users)
    callers.start(CALLERS)

    await callers.more(100)
    crew.kill_worker()
    await callers.more(100)  # the other worker goes on
    crew.kill_worker()
    await until(crew.is_ready)  # both have been replaced
    await callers.more(100)
    crew.kill()
    crew.start()
    await callers.more(100)
    await callers.finish()
    crew.wait_until_ready()

    assert {type(failure) for failure in callers.failures} == {httpx.TransportError}
    assert callers.repeats > 0
    assert {answer["recorded"] for answer in callers.told.values()} == {True, False}
    callers.assert_booked(books, users)
    assert books.used(users[-1]) <= 40


async def test_a_server_that_is_told_to_leave_in_mid_load_has_done_nothing_that_it_did_not_answer(
    crew: Web, crew_ways: Ways, shop: Shop, books: Books
) -> None:
    package = shop.package(shop.feature(FEATURE))
    users = [shop.user(package) for _ in range(10)]
    callers = Callers(crew_ways.through("mix", 4), users)
    callers.start(64)

    await callers.more(200)
    crew.terminate()
    left = await asyncio.to_thread(crew.exit_code)
    crew.start()
    await callers.more(100)
    await callers.finish()
    crew.wait_until_ready()

    assert left == 0
    assert callers.repeats > 0
    assert callers.duplicates == 0
    callers.assert_booked(books, users)
    assert sum(len(books.events(user)) for user in users) == callers.answers
