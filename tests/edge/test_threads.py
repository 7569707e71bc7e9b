"""The way into the sync core: who waits for a thread, who is asked to come again, and who is tried once more."""

import asyncio
import threading

import pytest

from app.edge.threads import WAITING_MAX, in_thread
from app.errors import OverloadedError
from app.settings import settings
from tests.until import until

pytestmark = pytest.mark.usefixtures("product")


class Counter:
    """A counter that is held for so many tries."""

    def __init__(self, held_for: int) -> None:
        self.tries_left = held_for
        self.tries = 0
        self.may_go_on = threading.Event()

    def use(self) -> str:
        self.tries += 1
        if self.tries_left:
            self.tries_left -= 1
            raise OverloadedError("held", held_up=True)
        return "used"

    def block(self) -> None:
        self.tries += 1
        self.may_go_on.wait(10)


async def test_a_call_that_is_held_up_is_tried_again() -> None:
    counter = Counter(held_for=3)

    assert await in_thread(counter.use) == "used"

    assert counter.tries == 4


async def test_a_call_that_fails_otherwise_is_not_tried_again() -> None:
    tries = []

    def fail() -> None:
        tries.append(1)
        raise OverloadedError("away")

    with pytest.raises(OverloadedError, match="away"):
        await in_thread(fail)

    assert len(tries) == 1


async def test_any_number_of_held_up_calls_leaves_the_threads_to_the_others() -> None:
    counter = Counter(held_for=10**9)
    held_up = [asyncio.create_task(in_thread(counter.use)) for _ in range(50)]

    answers = [await in_thread(lambda: "free") for _ in range(20)]

    assert answers == ["free"] * 20
    assert not any(task.done() for task in held_up)
    counter.tries_left = 0
    assert await asyncio.gather(*held_up) == ["used"] * 50


async def test_who_finds_too_many_waiting_for_a_thread_is_told_so() -> None:
    counter = Counter(held_for=0)
    room = settings().database_pool_size + WAITING_MAX
    working = [asyncio.create_task(in_thread(counter.block)) for _ in range(room)]
    await until(lambda: counter.tries >= settings().database_pool_size)

    with pytest.raises(OverloadedError, match="Nothing was done"):
        await in_thread(counter.block)

    counter.may_go_on.set()
    await asyncio.gather(*working)
    assert counter.tries == room
