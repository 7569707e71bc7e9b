"""Directives with code of their own run with plans as they do without: at every place that a schema or a document can name."""

from typing import Any

import msgspec
import pytest
from tartiflette import Directive

from app.graphql.engine import resolver
from tests.graphql.both_ways import both, one_answer


class Loud:
    """A directive with code at every place that a schema or a document can name."""

    async def on_field_execution(self, _given: Any, resolve: Any, *arguments: Any) -> str:
        return (await resolve(*arguments)).upper()

    async def on_argument_execution(
        self, _given: Any, then: Any, parent_node: Any, definition_node: Any, node: Any, value: Any, context: Any
    ) -> str:
        return f"{await then(parent_node, definition_node, node, value, context)}!"

    async def on_post_input_coercion(self, _given: Any, then: Any, parent_node: Any, value: Any, context: Any) -> Any:
        value = await then(parent_node, value, context)
        return {**value, "more": True} if isinstance(value, dict) else f"{value}?"

    async def on_pre_output_coercion(self, _given: Any, then: Any, value: Any, context: Any, info: Any) -> Any:
        value = await then(value, context, info)
        return {**value, "said": "an object"} if isinstance(value, dict) else str(value).replace("quiet", "LOUD")


LOUD_SDL = """
directive @loud on
  FIELD | FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | INPUT_OBJECT | ENUM_VALUE | OBJECT
enum Mood { LOUD quiet @loud }
input In { word: String @loud mood: Mood }
input Whole @loud { word: String }
type Said @loud { said: String secret: String @nonIntrospectable }
type Query {
  quiet: String loud: String @loud
  say(what: String @loud): String put(in: In): String whole(in: Whole): String feel(mood: Mood): String
  mood: Mood object: Said objects: [Said!]
}
"""


def register_loud(schema_name: str) -> None:
    Directive("loud", schema_name=schema_name)(Loud())
    answers = {"quiet": "quiet", "loud": "quiet", "mood": "quiet", "object": {}, "objects": [{}]}
    for name, answer in answers.items():

        @resolver(schema_name, f"Query.{name}")
        async def resolve(_parent: None, _arguments: Any, _context: Any, _info: Any, answer: Any = answer) -> Any:
            return answer

    for name in ("say", "put", "whole", "feel"):

        @resolver(schema_name, f"Query.{name}")
        async def show(_parent: None, arguments: dict[str, Any], _context: Any, _info: Any) -> str:
            return msgspec.json.encode(arguments).decode()


@pytest.mark.parametrize(
    ("document", "variables", "data"),
    [
        ("{quiet}", None, {"quiet": "quiet"}),
        ("{loud}", None, {"loud": "QUIET"}),
        ("{quiet @loud}", None, {"quiet": "QUIET"}),
        ('{say(what: "a")}', None, {"say": '{"what":"a!"}'}),
        ("query($w: String) {say(what: $w)}", {"w": "a"}, {"say": '{"what":"a!"}'}),
        ('{put(in: {word: "a", mood: LOUD})}', None, {"put": '{"in":{"word":"a?","mood":"LOUD"}}'}),
        ("{put(in: {mood: quiet})}", None, {"put": '{"in":{"mood":"quiet?"}}'}),
        ("query($i: In) {put(in: $i)}", {"i": {"word": "a"}}, {"put": '{"in":{"word":"a?"}}'}),
        ("query($i: In) {put(in: $i)}", {"i": {"mood": "quiet"}}, {"put": '{"in":{"mood":"quiet?"}}'}),
        ("query($i: In) {put(in: $i)}", {"i": {"mood": "LOUD"}}, {"put": '{"in":{"mood":"LOUD"}}'}),
        ('{whole(in: {word: "a"})}', None, {"whole": '{"in":{"word":"a","more":true}}'}),
        ("query($i: Whole) {whole(in: $i)}", {"i": {}}, {"whole": '{"in":{"more":true}}'}),
        ("{feel(mood: quiet)}", None, {"feel": '{"mood":"quiet?"}'}),
        ("query($m: Mood) {feel(mood: $m)}", {"m": "quiet"}, {"feel": '{"mood":"quiet?"}'}),
        ("{mood}", None, {"mood": "LOUD"}),
        ('{__type(name: "Said") {fields {name}}}', None, {"__type": {"fields": [{"name": "said"}]}}),
        ("{object {said} objects {said}}", None, {"object": {"said": "an object"}, "objects": [{"said": "an object"}]}),
    ],
)
async def test_directives_with_code_of_their_own_run(document, variables, data):
    engines = await both(LOUD_SDL, register_loud)
    assert await one_answer(engines, document, variables) == {"data": data}
