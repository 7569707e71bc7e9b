"""The engine against graphql-core, document by document, and each difference that tartiflette has of its own (S1 to S17)."""

import json
from typing import Any

import pytest
from graphql import (
    GraphQLScalarType,
    GraphQLSchema,
    build_client_schema,
    build_schema,
    get_introspection_query,
    graphql,
    print_type,
    validate_schema,
)
from graphql.utilities import value_from_ast_untyped

from app.graphql.engine import cook_engine
from tests.graphql.documents import DOCUMENTS

# Tartiflette's own answers where they differ from the specification and harm nobody: (document, variables, data, why).
HARMLESS = [
    ("{package{...on Query{x}}}", None, {"package": {}}, "S9: a fragment that can never match is accepted"),
    ("query($s:Boolean=false){x @skip(if:$s)}", {"s": None}, {}, "S10: null for @skip leaves the field out"),
    ("query Q{x}", None, {"x": 1}, "S17: an empty operation name counts as none"),
]


@pytest.fixture(scope="module")
def reference(sdl, resolver_values) -> GraphQLSchema:
    """The same schema in graphql-core, with resolvers that answer the same."""
    schema = build_schema(f"{sdl} scalar DateTime scalar JSON")
    json_scalar = schema.type_map["JSON"]
    assert isinstance(json_scalar, GraphQLScalarType)
    json_scalar.parse_literal = value_from_ast_untyped
    shown, new_package = resolver_values["shown"], resolver_values["package"]
    query, mutation = schema.query_type.fields, schema.mutation_type.fields
    query["echo"].resolve = lambda _root, _info, **arguments: shown(arguments)
    query["x"].resolve = lambda _root, _info: 1
    query["needs"].resolve = lambda _root, _info, i: i
    query["cased"].resolve = lambda _root, _info: {"items": 3}
    for name in ("package", "thing", "node"):
        query[name].resolve = lambda _root, _info: new_package()
    schema.type_map["Package"].fields["cost"].resolve = lambda _root, _info, **arguments: len(arguments["in"])
    for abstract in ("Thing", "Node"):
        schema.type_map[abstract].resolve_type = lambda value, _info, _type: value["_typename"]
    for name in ("set", "setAgain"):
        mutation[name].resolve = lambda _root, _info, to: to
    return schema


def problem(answer: dict[str, Any]) -> tuple[str, str]:
    """The one error of an answer that was never executed: its name and message."""
    assert list(answer) == ["errors"]
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    return error["extensions"]["exception"]["name"], error["message"]


@pytest.mark.parametrize(("document", "variables", "name"), DOCUMENTS)
async def test_the_engine_answers_as_graphql_core_does(engine, reference, document, variables, name):
    expected = await graphql(reference, document, variable_values=variables, operation_name=name)
    answer = await engine.execute(document, name, None, variables)
    assert bool(answer.get("errors")) == bool(expected.errors), (answer, expected)
    assert answer.get("data") == expected.data
    assert {error["extensions"]["code"] for error in answer.get("errors", [])} <= {"BAD_USER_INPUT"}


@pytest.mark.parametrize(("document", "variables", "data", "why"), HARMLESS, ids=[row[-1][:3] for row in HARMLESS])
async def test_known_differences_are_still_the_harmless_ones(engine, document, variables, data, why):
    assert await engine.execute(document, "", None, variables) == {"data": data}, why


async def test_s11_an_enum_given_as_a_string_is_refused_though_only_in_execution(engine):
    answer = await engine.execute('{x echo(e:"MONTH")}')
    assert answer["data"] == {"x": 1, "echo": None}
    [error] = answer["errors"]
    assert error["extensions"]["exception"]["name"] == "GraphQLCoercionError"
    assert error["path"] == ["echo"]


async def test_s1_fields_that_conflict_are_refused_in_queries_and_mutations(engine):
    for document in ("{echo(i:1) echo(i:2)}", "mutation{set(to:1) set(to:2)}"):
        name, message = problem(await engine.execute(document))
        assert name == "GraphQLValidationError"
        assert message.endswith(
            "conflict because they have differing arguments. Use different aliases on the fields to fetch both"
        )


async def test_s2_a_fragment_may_be_spread_twice_and_spread_others_that_share_a_third(engine):
    document = "{...A ...A} fragment A on Query{...B ...C} fragment B on Query{...C} fragment C on Query{x}"
    assert await engine.execute(document) == {"data": {"x": 1}}


@pytest.mark.parametrize(
    ("document", "circle"),
    [
        ("{...A} fragment A on Query{...A}", "A → A"),
        ("{package{...A}} fragment A on Package{self{...A}}", "A → A"),
        (
            "{package{...A}} fragment A on Package{self{...B}} fragment B on Package{id self{...C}} "
            "fragment C on Package{self{...B}}",
            "B → C → B",
        ),
    ],
)
async def test_s3_fragments_in_a_circle_are_refused_by_name_at_any_depth(engine, document, circle):
    name, message = problem(await engine.execute(document))
    assert (name, message) == ("GraphQLValidationError", f"Fragments spread each other in a circle: {circle}")


@pytest.mark.parametrize(
    ("escaped", "read"),
    [
        (r"\u00e9", "é"),
        (r"\u6f22\u5B57", "漢字"),
        (r"\uD83C\uDF89", "🎉"),
        (r"\u{1F389}\u{1f389}", "🎉🎉"),
        (r"\u{41}\u0042", "AB"),
        (r"\u007f\u0080", "\x7f\x80"),
        (r"\\u00e9", r"\u00e9"),
        (r"\u0022\u005c\u000a", '"\\\n'),
    ],
)
async def test_s4_escapes_in_strings_are_read_as_characters(engine, escaped, read):
    answer = await engine.execute(f'{{echo(s:"{escaped}")}}')
    assert json.loads(answer["data"]["echo"])["s"] == read


@pytest.mark.parametrize(
    "escape", [r"\u0000", r"\u{0}", r"\uD83C", r"\uDF89", r"\uDF89\uD83C", r"\uD83Cx", r"\u{D83C}\u{DF89}", r"\u{}"]
)
async def test_s4_escapes_that_are_no_characters_are_refused_with_their_place(engine, escape):
    answer = await engine.execute(f'{{\n echo(s:"{escape}")}}')
    assert problem(answer)[0] == "GraphQLSyntaxError"
    assert answer["errors"][0]["locations"][0]["line"] == 2


async def test_s5_nothing_hides_behind_a_nul_byte(engine):
    name, message = problem(await engine.execute("{x}\0 anything"))
    assert (name, message) == ("GraphQLSyntaxError", "Syntax error: Unexpected control character U+0000")


async def test_s6_a_raw_tab_is_part_of_a_string(engine):
    answer = await engine.execute('{echo(s:"a\tb")}')
    assert json.loads(answer["data"]["echo"])["s"] == "a\tb"


async def test_a_lone_surrogate_in_the_text_is_a_syntax_error(engine):
    assert problem(await engine.execute('{echo(s:"\ud83c")}'))[0] == "GraphQLSyntaxError"


@pytest.mark.parametrize(
    ("document", "variables", "name"),
    [
        ("{x", None, "GraphQLSyntaxError"),
        ("{unknown}", None, "GraphQLValidationError"),
        ("query($v:Int!){needs(i:$v)}", {}, "GraphQLCoercionError"),
        ("query($v:Int){echo(i:$v)}", {"v": "a"}, "GraphQLCoercionError"),
        ("query A{x} query B{x}", None, "UnknownOperationError"),
    ],
)
async def test_s7_errors_of_a_request_come_without_data(engine, document, variables, name):
    assert problem(await engine.execute(document, None, None, variables))[0] == name


async def test_s7_errors_of_execution_come_with_data_null_where_it_bubbled_to_the_top(engine):
    answer = await engine.execute("{failHard{id}}")
    assert answer["data"] is None
    assert answer["errors"][0]["path"] == ["failHard"]


async def test_s8_variables_inside_a_json_literal_have_their_values(engine):
    document = "query($a:Int,$b:String){echo(j:{a:$a,list:[$a,$b],deep:{b:$b}})}"
    answer = await engine.execute(document, None, None, {"a": 1})
    assert json.loads(answer["data"]["echo"])["j"] == {"a": 1, "list": [1, None], "deep": {}}


async def test_a_literal_of_the_wrong_shape_is_the_callers_mistake_not_ours(engine):
    name, message = problem(await engine.execute("{echo(s:{a:1})}"))
    assert (name, message) == ("GraphQLValidationError", "Value {a: 1} is not of correct type String")


async def test_a_variable_in_a_literal_must_have_the_type_of_its_place(engine):
    answer = await engine.execute("query($v:String){echo(o:{limit:$v})}", None, None, {"v": "ten"})
    assert problem(answer) == (
        "GraphQLValidationError",
        "Variable $v of type String is used where Int is expected",
    )


async def test_fields_without_a_resolver_read_snake_case_attributes_of_views(engine):
    assert await engine.execute("{cased{periodStart unitLabel items}}") == {
        "data": {"cased": {"periodStart": "2022-08-10T15:07:01.803Z", "unitLabel": "API Call", "items": 3}}
    }


OPTIONS = {
    "specified_by_url": True,
    "directive_is_repeatable": True,
    "schema_description": True,
    "input_value_deprecation": True,
    "one_of": True,
}


@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["plain", "every option"])
async def test_s12_introspection_rebuilds_a_schema_that_is_valid(engine, options):
    answer = await engine.execute(get_introspection_query(**options))
    assert "errors" not in answer
    assert validate_schema(build_client_schema(answer["data"])) == []


async def test_s12_introspection_tells_all_that_the_sdl_says(engine, sdl):
    answer = await engine.execute(get_introspection_query(**OPTIONS))
    rebuilt = build_client_schema(answer["data"])
    written = build_schema(f"{sdl} scalar DateTime scalar JSON")
    for name, written_type in written.type_map.items():
        if not name.startswith("__") and name not in {"Int", "Float", "String", "Boolean", "ID"}:
            assert print_type(rebuilt.type_map[name]) == print_type(written_type)


async def test_s12_deprecated_arguments_and_fields_are_shown_only_when_asked_for(engine):
    document = """{
      search: __type(name: "Window") { inputFields { name } all: inputFields(includeDeprecated: true) { name } }
      period: __type(name: "Period") { enumValues { name } all: enumValues(includeDeprecated: true) { name } }
    }"""
    answer = await engine.execute(document)
    names = {
        (key, field): [element["name"] for element in elements]
        for key, shown_type in answer["data"].items()
        for field, elements in shown_type.items()
    }
    assert names == {
        ("search", "inputFields"): ["days", "period", "tags"],
        ("search", "all"): ["days", "period", "label", "tags"],
        ("period", "enumValues"): ["DAY", "MONTH"],
        ("period", "all"): ["DAY", "MONTH", "YEAR"],
    }


async def test_the_type_of_an_argument_can_be_asked_further(engine):
    answer = await engine.execute('{__type(name:"Query"){fields{name args{name type{inputFields{name}}}}}}')
    [echo] = [field for field in answer["data"]["__type"]["fields"] if field["name"] == "echo"]
    [search] = [argument for argument in echo["args"] if argument["name"] == "o"]
    assert [field["name"] for field in search["type"]["inputFields"]] == [
        "text", "window", "windows", "limit", "slug", "extra",
    ]  # fmt: skip


async def test_two_engines_with_the_same_schema_do_not_know_each_other(sdl, registered):
    one, other = [await cook_engine(sdl, registered) for _ in range(2)]
    assert await one.execute("{x}") == await other.execute("{x}") == {"data": {"x": 1}}
