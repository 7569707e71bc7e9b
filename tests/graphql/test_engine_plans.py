"""Execution by plans: byte for byte the answers of the library's own execution, over every kind of document."""

import asyncio
import itertools
from typing import Any

import msgspec
import pytest
from graphql import build_schema, get_named_type, is_composite_type
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.graphql.engine import resolver
from app.graphql.engine.fast.plans import Plans
from app.graphql.engine.fast.selections import Selection
from app.graphql.engine.resolvers import attribute_name
from tests.graphql import worlds
from tests.graphql.both_ways import Engines, both, one_answer
from tests.graphql.documents import DOCUMENTS
from tests.graphql.generated import Written, requests
from tests.graphql.worlds import BAD, GOOD, ONE, TWO, Spoil, Thing


@pytest.fixture(scope="module")
async def small(sdl, registered) -> Engines:
    return await both(sdl, registered)


@pytest.fixture(scope="module")
def world() -> Engines:
    return asyncio.run(both(worlds.SDL, worlds.register))


@pytest.mark.parametrize(("document", "variables", "name"), DOCUMENTS)
async def test_every_document_of_the_suite_is_answered_the_same(small, document, variables, name):
    await one_answer(small, document, variables, name)


SCHEMA = build_schema(f"scalar DateTime scalar JSON {worlds.SDL}")
spoils = st.builds(
    Spoil,
    field=st.sampled_from(sorted({*GOOD, *ONE, *TWO, "either"} - {"_typename"})),
    depth=st.sampled_from([None, None, 0, 1, 2]),
    bad=st.sampled_from(sorted(BAD)),
)


# The library's own execution never awaits the fields that asked for concurrency when one before them fails.
@pytest.mark.filterwarnings("ignore:coroutine 'resolve_field' was never awaited:RuntimeWarning")
@settings(max_examples=300)
@given(written=requests(SCHEMA), spoiled=st.lists(spoils, min_size=1, max_size=12))
def test_generated_documents_over_a_world_with_bad_values_are_answered_the_same(
    world: Engines, written: Written, spoiled: list[Spoil]
) -> None:
    with capture_logs():
        asyncio.run(one_answer(world, written.text, written.variables, context=Thing(spoiled)))


def selected(name: str) -> str:
    of_type = SCHEMA.type_map["Thing"].fields[name].type
    return f"{name} {{ __typename ...on Node {{ id }} }}" if is_composite_type(get_named_type(of_type)) else name


@pytest.mark.parametrize("field", SCHEMA.type_map["Thing"].fields)
async def test_every_bad_value_of_a_field_is_told_the_same(world, field):
    document = (
        f"{{ thing {{ id {selected(field)} others {{ {selected(field)} }} }} thingsSure {{ {selected(field)} }} }}"
    )
    with capture_logs():
        for bad in BAD:
            await one_answer(world, document, context=Thing([Spoil(attribute_name(field), None, bad)]))


async def test_each_set_of_conditions_selects_its_own_fields(world):
    document = (
        "query ($a: Boolean!, $b: Boolean!, $c: Boolean = true, $d: Boolean = false) "
        "{ thing { id @include(if: $a) ...F @skip(if: $b) inner @include(if: $c) { id name @skip(if: $d) } } } "
        "fragment F on Thing { count name @include(if: $a) @skip(if: $c) }"
    )
    for a, b, c, d in itertools.product([True, False], [True, False], [True, False, None], [True, False, None]):
        answer = await one_answer(world, document, {"a": a, "b": b, "c": c, "d": d}, context=Thing([]))
        expected: dict[str, Any] = {"id": "t"} if a else {}
        # A null there is an error that tartiflette keeps to itself: the field is left out.
        if not b:
            expected |= {"count": 3} | ({"name": "Thing"} if a and c is False else {})
        if c:
            expected |= {"inner": {"id": "t"} | ({"name": "Thing"} if d is False else {})}
        assert answer == {"data": {"thing": expected}}


async def test_a_condition_of_one_operation_is_none_of_another_with_a_variable_of_the_same_name(world):
    document = (
        "query A($v: JSON) { echo(j: $v) } query B($v: Boolean!) { ...F } "
        "fragment F on Query { thing @skip(if: $v) { id } }"
    )
    for value in ({"a": [1]}, [1], None):
        answer = await one_answer(world, document, {"v": value}, "A")
        assert msgspec.json.decode(answer["data"]["echo"])["j"] == value
    assert await one_answer(world, document, {"v": True}, "B") == {"data": {}}


async def test_a_resolver_may_change_its_arguments_without_changing_those_of_the_next_request():
    def register(schema_name: str) -> None:
        @resolver(schema_name, "Query.use")
        async def use(_parent: None, arguments: dict[str, Any], _context: Any, _info: Any) -> str:
            seen = msgspec.json.encode(arguments).decode()
            arguments["in"]["words"].append("changed")
            arguments["in"]["any"]["list"].append("changed")
            arguments["in"]["default"]["words"].append("changed")
            del arguments["in"]
            return seen

    engines = await both(
        'input Words { words: [String!] } input In { words: [String!] any: JSON default: Words = {words: ["d"]} } '
        'type Query { use(in: In = {words: ["a"], any: {list: []}}): String }',
        register,
    )
    seen = '{"in":{"words":["a"],"any":{"list":[]},"default":{"words":["d"]}}}'
    for document in (
        "{use}",
        '{use(in: {words: "a", any: {list: []}})}',
        "query($a: String!) {use(in: {words: [$a], any: {list: []}})}",
    ):
        assert await one_answer(engines, document, {"a": "a"}) == {"data": {"use": seen}}


async def test_fields_that_asked_for_it_are_resolved_at_once_and_after_those_that_did_not():
    events: list[str] = []

    def register(schema_name: str) -> None:
        for name, concurrently in [("first", True), ("second", None), ("third", True)]:

            @resolver(schema_name, f"Item.{name}", parent_concurrently=concurrently)
            async def wait(_parent: Any, _arguments: Any, _context: Any, info: Any) -> str:
                events.append(f"{info.field_name} of {info.path.as_list()[1]} begins")
                await asyncio.sleep(0)
                events.append(f"{info.field_name} of {info.path.as_list()[1]} ends")
                return info.field_name

        for name, concurrently in [("items", True), ("oneByOne", None)]:

            @resolver(schema_name, f"Query.{name}", list_concurrently=concurrently)
            async def items(_parent: None, _arguments: Any, _context: Any, _info: Any) -> list[int]:
                return [1, 2]

    engines = await both(
        "type Item { first: String second: String third: String } type Query { items: [Item] oneByOne: [Item] }",
        register,
    )
    for name in ("items", "oneByOne"):
        await one_answer(engines, f"{{{name} {{first second third}}}}")
    together, apart = events[: len(events) // 2], events[len(events) // 2 :]
    assert (
        together
        == [
            *("second of 0 begins", "second of 1 begins", "second of 0 ends", "second of 1 ends"),
            *("first of 0 begins", "third of 0 begins", "first of 1 begins", "third of 1 begins"),
            *("first of 0 ends", "third of 0 ends", "first of 1 ends", "third of 1 ends"),
        ]
        * 4
    )
    assert (
        apart
        == [
            f"{event.format(index)}"
            for index in (0, 1)
            for event in (
                *("second of {} begins", "second of {} ends"),
                *("first of {} begins", "third of {} begins", "first of {} ends", "third of {} ends"),
            )
        ]
        * 4
    )


async def test_the_fields_of_a_mutation_wait_for_one_another_and_stop_at_one_that_must_not_fail():
    done: list[str] = []

    def register(schema_name: str) -> None:
        for name in ("one", "two", "sure"):

            @resolver(schema_name, f"Mutation.{name}", parent_concurrently=True)
            async def change(_parent: None, _arguments: Any, _context: Any, info: Any) -> int | None:
                done.append(f"{info.field_name} begins")
                await asyncio.sleep(0)
                done.append(f"{info.field_name} ends")
                return None

    engines = await both("type Query { x: Int } type Mutation { one: Int two: Int sure: Int! }", register)
    answer = await one_answer(engines, "mutation { two one sure last: one }")
    assert answer["data"] is None
    assert done == [f"{name} {event}" for name in ("two", "one", "sure") for event in ("begins", "ends")] * 4


def test_the_oldest_plans_of_a_document_are_dropped_when_they_hold_too_many_fields():
    plans, selection = Plans(), Selection([])
    for key, fields in [("a", 200), ("b", 200), ("c", 100), ("d", 1)]:
        plans.put(key, selection, fields)
    assert [key for key in "abcd" if plans.get(key)] == ["b", "c", "d"]
    plans.put("e", selection, 2_000)
    assert [key for key in "abcde" if plans.get(key)] == ["e"]
