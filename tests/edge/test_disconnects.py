"""Callers who go away while they wait."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from app.edge.disconnects import ClientGoneError, WhileConnected
from app.edge.lanes import Lane
from tests.edge.desk import Desk

REST_OF_BODY = {"type": "http.request", "body": b"", "more_body": False}
GONE = {"type": "http.disconnect"}


class Server:
    """Says these messages, the last when it is told to."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)
        self.may_say_the_last = asyncio.Event()
        self.asked = asyncio.Event()

    async def receive(self) -> Any:
        self.asked.set()
        if len(self._messages) == 1:
            await self.may_say_the_last.wait()
        return self._messages.pop(0)


async def wait_for(lane: Lane[int, int], number: int, server: Server) -> int:
    with WhileConnected(server.receive, patience_seconds=0):
        return await lane.ask(number)


async def test_who_is_answered_soon_is_not_watched() -> None:
    server = Server(GONE)

    with WhileConnected(server.receive, patience_seconds=60):
        await asyncio.sleep(0)

    assert not server.asked.is_set()


async def test_who_has_gone_is_left_out_of_the_next_batch(desk: Desk) -> None:
    lane = Lane(desk.answer_all)
    desk.may_go_on.clear()
    first = asyncio.create_task(lane.ask(2))
    await desk.busy()
    server = Server(REST_OF_BODY, GONE)
    gone = asyncio.create_task(wait_for(lane, 4, server))
    stays = asyncio.create_task(wait_for(lane, 6, Server(GONE)))
    await server.asked.wait()

    server.may_say_the_last.set()
    with pytest.raises(ClientGoneError):
        await gone
    desk.may_go_on.set()

    assert await asyncio.gather(first, stays) == [20, 60]
    assert desk.batches == [[2], [6]]


async def test_who_goes_while_its_batch_is_under_way_changes_nothing(desk: Desk) -> None:
    lane = Lane(desk.answer_all)
    desk.may_go_on.clear()
    server = Server(GONE)
    gone = asyncio.create_task(wait_for(lane, 2, server))
    await desk.busy()
    server.may_say_the_last.set()
    with pytest.raises(ClientGoneError):
        await gone

    desk.may_go_on.set()

    assert await lane.ask(4) == 40
    assert desk.batches == [[2], [4]]


async def test_a_task_that_somebody_else_cancels_stays_cancelled(desk: Desk) -> None:
    lane = Lane(desk.answer_all)
    desk.may_go_on.clear()
    server = Server(GONE)
    waiting = asyncio.create_task(wait_for(lane, 2, server))
    await server.asked.wait()

    server.may_say_the_last.set()
    await asyncio.sleep(0)
    waiting.cancel()
    assert waiting.cancelling() == 2
    with pytest.raises(asyncio.CancelledError):
        await waiting

    desk.may_go_on.set()
    assert await lane.ask(4) == 40


async def test_afterwards_the_task_is_not_cancelled_and_nobody_is_watched() -> None:
    server = Server(GONE)
    with WhileConnected(server.receive, patience_seconds=0):
        await server.asked.wait()

    server.may_say_the_last.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_goes_wrong_is_raised_as_it_is() -> None:
    def fail(_asked: Sequence[int]) -> list[int]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await wait_for(Lane(fail), 2, Server(GONE))
