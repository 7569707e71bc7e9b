"""The lane on which calls become batches: who is with whom, who waits, and who is told what."""

import asyncio
from collections.abc import Sequence

import pytest

from app.edge.lanes import Lane
from app.errors import InvalidInputError, MeterlineError, OverloadedError
from tests.edge.desk import Desk


async def test_a_lone_call_is_a_batch_of_its_own_at_once(desk: Desk) -> None:
    lane = Lane(desk.answer_all)

    assert await lane.ask(2) == 20
    assert await lane.ask(4) == 40

    assert desk.batches == [[2], [4]]


async def test_what_arrives_while_a_batch_is_under_way_is_the_next_batch_in_order(desk: Desk) -> None:
    lane = Lane(desk.answer_all)
    desk.may_go_on.clear()
    first = asyncio.create_task(lane.ask(2))
    await desk.busy()
    others = [asyncio.create_task(lane.ask(number)) for number in (4, 6, 8)]
    await asyncio.sleep(0)

    desk.may_go_on.set()

    assert await asyncio.gather(first, *others) == [20, 40, 60, 80]
    assert desk.batches == [[2], [4, 6, 8]]


async def test_a_batch_has_a_largest_size(desk: Desk) -> None:
    lane = Lane(desk.answer_all, batch_max=3)

    answers = await asyncio.gather(*(lane.ask(number) for number in range(0, 16, 2)))

    assert answers == [number * 10 for number in range(0, 16, 2)]
    assert desk.batches == [[0, 2, 4], [6, 8, 10], [12, 14]]


async def test_an_answer_that_is_an_error_is_its_callers_alone(desk: Desk) -> None:
    lane = Lane(desk.answer_all)

    answers = await asyncio.gather(lane.ask(2), lane.ask(3), lane.ask(4), return_exceptions=True)

    assert answers[::2] == [20, 40]
    assert isinstance(answers[1], InvalidInputError)
    assert len(desk.batches) == 1


async def test_a_batch_that_fails_is_tried_one_by_one_so_that_one_call_never_fails_its_neighbours(desk: Desk) -> None:
    lane = Lane(desk.answer_all)

    answers = await asyncio.gather(lane.ask(2), lane.ask(-1), lane.ask(4), return_exceptions=True)

    assert answers[::2] == [20, 40]
    assert isinstance(answers[1], ZeroDivisionError)
    assert desk.batches == [[2, -1, 4], [2], [-1], [4]]


async def test_a_database_that_is_away_fails_the_batch_at_once() -> None:
    batches = []

    def overloaded(asked: Sequence[int]) -> list[int | MeterlineError]:
        batches.append(list(asked))
        raise OverloadedError("away")

    lane = Lane(overloaded)

    answers = await asyncio.gather(lane.ask(2), lane.ask(4), return_exceptions=True)

    assert [type(answer) for answer in answers] == [OverloadedError, OverloadedError]
    assert batches == [[2, 4]]


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (OverloadedError("away"), True),
        (OverloadedError("unknown", nothing_done=False), False),
    ],
    ids=["away from the start", "lost at the commit"],
)
async def test_who_waits_for_the_next_batch_is_told_with_this_one_only_if_it_would_find_the_same(
    desk: Desk, failure: OverloadedError, told: bool
) -> None:
    def fail_first(asked: Sequence[int]) -> list[int | MeterlineError]:
        answers = desk.answer_all(asked)
        if desk.batches == [[2]]:
            raise failure
        return answers

    lane = Lane(fail_first)
    desk.may_go_on.clear()
    first = asyncio.create_task(lane.ask(2))
    await desk.busy()
    second = asyncio.create_task(lane.ask(4))
    await asyncio.sleep(0)

    desk.may_go_on.set()

    answers = await asyncio.gather(first, second, return_exceptions=True)
    assert answers[0] is failure
    assert (isinstance(answers[1], OverloadedError), answers[1] == 40) == (told, not told)
    assert desk.batches == ([[2]] if told else [[2], [4]])


async def test_who_finds_too_many_waiting_is_told_so_and_the_others_are_answered(desk: Desk) -> None:
    lane = Lane(desk.answer_all, waiting_max=2)
    desk.may_go_on.clear()
    first = asyncio.create_task(lane.ask(2))
    await desk.busy()
    waiting = [asyncio.create_task(lane.ask(number)) for number in (4, 6)]
    await asyncio.sleep(0)

    with pytest.raises(OverloadedError):
        await lane.ask(8)

    desk.may_go_on.set()
    assert await asyncio.gather(first, *waiting) == [20, 40, 60]
    assert desk.batches == [[2], [4, 6]]


async def test_a_caller_who_has_gone_is_left_out_of_the_next_batch(desk: Desk) -> None:
    lane = Lane(desk.answer_all)
    desk.may_go_on.clear()
    first = asyncio.create_task(lane.ask(2))
    await desk.busy()
    gone, stays = (asyncio.create_task(lane.ask(number)) for number in (4, 6))
    await asyncio.sleep(0)

    gone.cancel()
    await asyncio.sleep(0)
    desk.may_go_on.set()

    assert await asyncio.gather(first, stays) == [20, 60]
    assert desk.batches == [[2], [6]]


async def test_a_caller_who_goes_while_its_batch_is_under_way_does_not_disturb_the_others(desk: Desk) -> None:
    lane = Lane(desk.answer_all)
    desk.may_go_on.clear()
    first, second = (asyncio.create_task(lane.ask(number)) for number in (2, 4))
    await desk.busy()

    first.cancel()
    await asyncio.sleep(0)
    desk.may_go_on.set()

    assert await second == 40
    assert await lane.ask(6) == 60
    assert desk.batches == [[2, 4], [6]]
