"""The way into the sync core: who waits for a thread, who is asked to come again, and who is tried once more."""

import asyncio
import threading

import pytest

from app.edge.threads import Threads, in_lane_thread
from app.errors import OverloadedError
from tests.until import until


class Counter:
    """A counter that is held for so many tries, or blocks whoever uses it."""

    def __init__(self, held_for: int = 0) -> None:
        self.held_for = held_for
        self.tries = 0
        self.may_go_on = threading.Event()

    def use(self) -> str:
        self.tries += 1
        if self.held_for:
            self.held_for -= 1
            raise OverloadedError("held", held_up=True)
        return "used"

    def block(self) -> None:
        self.tries += 1
        self.may_go_on.wait(10)


async def test_a_call_that_is_held_up_is_tried_again() -> None:
    counter = Counter(held_for=3)

    assert await Threads(10).run(counter.use) == "used"

    assert counter.tries == 4


async def test_a_batch_that_is_held_up_is_tried_again() -> None:
    counter = Counter(held_for=3)

    assert await in_lane_thread(counter.use) == "used"

    assert counter.tries == 4


async def test_a_call_that_fails_otherwise_is_not_tried_again() -> None:
    tries = []

    def fail() -> None:
        tries.append(1)
        raise OverloadedError("away")

    for run in (Threads(10).run, in_lane_thread):
        with pytest.raises(OverloadedError, match="away"):
            await run(fail)

    assert len(tries) == 2


async def test_who_has_been_held_up_for_long_enough_is_told_so() -> None:
    counter = Counter(held_for=10**9)

    with pytest.raises(OverloadedError, match="held"):
        await Threads(10, patience_seconds=0.02).run(counter.use)

    assert counter.tries > 1


async def test_any_number_of_held_up_calls_leaves_the_threads_to_the_others() -> None:
    threads, counter = Threads(2), Counter(held_for=10**9)
    held_up = [asyncio.create_task(threads.run(counter.use)) for _ in range(50)]

    answers = [await threads.run(lambda: "free") for _ in range(20)]

    assert answers == ["free"] * 20
    assert not any(task.done() for task in held_up)
    counter.held_for = 0
    assert await asyncio.gather(*held_up) == ["used"] * 50


async def test_who_finds_too_many_waiting_for_a_thread_is_told_so_at_once() -> None:
    threads, counter = Threads(2, waiting_max=3), Counter()
    working = [asyncio.create_task(threads.run(counter.block)) for _ in range(5)]
    await until(lambda: counter.tries == 2)

    with pytest.raises(OverloadedError, match="Nothing was done"):
        await threads.run(counter.block)

    counter.may_go_on.set()
    await asyncio.gather(*working)
    assert counter.tries == 5


async def test_a_call_whose_turn_comes_too_late_is_not_made() -> None:
    threads, slow, calls = Threads(1, patience_seconds=0.02), Counter(), list[int]()
    working = asyncio.create_task(threads.run(slow.block))
    await until(lambda: slow.tries == 1)
    waiting = [asyncio.create_task(threads.run(calls.append, number)) for number in range(3)]
    await asyncio.sleep(0.03)

    slow.may_go_on.set()

    for call in waiting:
        with pytest.raises(OverloadedError, match="Nothing was done"):
            await call
    await working
    assert calls == []
