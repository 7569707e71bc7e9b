"""The table in `app/graphql/compat.py`, row by row, against the real schema; and what must stay as it is."""

import pytest
from graphql import GraphQLSchema, build_schema, parse, print_ast, validate
from hypothesis import given
from hypothesis import strategies as st

from app.contract.sdl import admin_sdl
from app.errors import InvalidInputError
from app.graphql.compat import Compatibility
from app.graphql.engine import cook_engine
from app.graphql.limits import Limits
from app.graphql.outline import outline_of
from app.graphql.request import Request

SDL = admin_sdl()


@pytest.fixture(scope="module")
async def compatibility() -> Compatibility:
    engine = await cook_engine(SDL, lambda _schema_name: None)
    return Compatibility(engine.input_fields, Limits())


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(SDL)


def same(document: str, other: str) -> bool:
    return print_ast(parse(document)) == print_ast(parse(other))


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        # generateUserToken with and without a selection.
        (
            'mutation { generateUserToken(userId: "1") }',
            'mutation { generateUserToken(userId: "1") { token } }',
        ),
        (
            'mutation { a: generateUserToken(userId: "1") @include(if: true) b: generateUserToken(userId: "2") }',
            'mutation { a: generateUserToken(userId: "1") @include(if: true) { token } '
            'b: generateUserToken(userId: "2") { token } }',
        ),
        (
            'mutation { ...A } fragment A on Mutation { generateUserToken(userId: "1") # { token }\n }',
            'mutation { ...A } fragment A on Mutation { generateUserToken(userId: "1") { token } }',
        ),
        # canUseFeature, wrapped in data.
        (
            '{ canUseFeature(featureId: "f", userId: "u") { data { access reason consumption { used } } } }',
            '{ canUseFeature(featureId: "f", userId: "u") { data { access reason consumption { used } } '
            "access reason consumption { used } } }",
        ),
        # packages by a bare status.
        ("{ packages(status: ALL) { id } }", '{ packages(status: "ALL") { id } }'),
        ("{ p: plans(status:DRAFT) { id } }", '{ p: plans(status: "DRAFT") { id } }'),
        # packages by a variable of the enum.
        (
            "query ($status: PackageStatus!) { packages(status: $status) { id } plans(status: $status) { id } }",
            "query ($status: String!) { packages(status: $status) { id } plans(status: $status) { id } }",
        ),
        (
            "query ($status: PackageStatus = DRAFT) { packages(status: $status) { id } }",
            'query ($status: String = "DRAFT") { packages(status: $status) { id } }',
        ),
        (
            "query ($status: PackageStatus) { ...A } fragment A on Query { packages(status: $status) { id } }",
            "query ($status: String) { ...A } fragment A on Query { packages(status: $status) { id } }",
        ),
        # updateUser declared with the other input.
        (
            "mutation updateUser ( $id : String ! , $input : CreateUserInput ! ) "
            "{ updateUser ( id : $id , input : $input ) { id } }",
            "mutation updateUser($id: String!, $input: UpdateUserInput!) { updateUser(id: $id, input: $input) { id } }",
        ),
        # subscribe by plan ids.
        (
            'mutation ($planIds: [Int!]!) { subscribe(planIds: $planIds, userId: "u") { plan { id } } }',
            'mutation ($planIds: [String!]!) { subscribe(planIds: $planIds, userId: "u") { plan { id } } }',
        ),
        # An update that does not say what it updates.
        (
            "mutation updateFeature ( $input : UpdateFeatureInput ! ) { updateFeature ( input : $input ) { id } }",
            "mutation updateFeature($id: String, $input: UpdateFeatureInput!) "
            "{ updateFeature(id: $id, input: $input) { id } }",
        ),
        (
            'mutation { updatePackage(input: {metadata: {id: "not this one"}}) { id } }',
            'mutation ($id: String) { updatePackage(id: $id, input: {metadata: {id: "not this one"}}) { id } }',
        ),
        (
            "mutation U($id: String!, $input: UpdateFeatureInput!) { updateFeature(input: $input) { id } }",
            "mutation U($id: String!, $input: UpdateFeatureInput!) { updateFeature(id: $id, input: $input) { id } }",
        ),
    ],
)
def test_a_form_of_the_documents_becomes_canonical_and_valid(compatibility, schema, sent, canonical):
    rewritten = compatibility.normalise(Request(sent)).query
    assert same(rewritten, canonical)
    assert validate(schema, parse(rewritten)) == []
    assert compatibility.normalise(Request(rewritten)).query == rewritten


@pytest.mark.parametrize(
    "document",
    [
        'mutation { generateUserToken(userId: "1") { token } }',
        '{ canUseFeature(featureId: "f", userId: "u") { access } }',
        '{ canUseFeature(featureId: "f", userId: "u") { access data { access } } }',
        '{ canUseFeature(featureId: "f", userId: "u") { data { data { access } } } }',
        '{ canUseFeature(featureId: "f", userId: "u") { data { data: access } } }',
        '{ canUseFeature(featureId: "f", userId: "u") { data @skip(if: true) { access } } }',
        '{ packages(status: "ALL") { id } }',
        "{ packages(status: null) { id } }",
        "query ($status: String) { packages(status: $status) { id } }",
        # The variable feeds something else as well, for which its type is right.
        "mutation ($i: CreateUserInput!) { createUser(input: $i) { id } }",
        'mutation ($i: CreateUserInput!) { createUser(input: $i) { id } updateUser(id: "1", input: $i) { id } }',
        'mutation ($i: CreateUserInput!) { updateUser(id: "1", input: $i) { id } ...A } '
        "fragment A on Mutation { createUser(input: $i) { id } }",
        "query ($status: PackageStatus) { packages(status: $status) { id } other(status: $status) }",
        # The id is said, or could be meant by more than one.
        'mutation { updateFeature(id: "f", input: {name: "n"}) { id } }',
        'mutation { updateFeature(input: {name: "n", id: "f"}) { id } }',
        "mutation { updateFeature(input: {}) { id } updatePackage(input: {}) { id } }",
        "mutation ($id: Boolean) { updateFeature(input: {}) { id } other(id: $id) }",
        # Words in strings, block strings and comments are no code.
        '{ feature(id: "generateUserToken(userId: 1) packages(status: ALL)") { id } }',
        '{ feature(id: """mutation { generateUserToken(userId: "1") }""") { id } }',
        "{ x # packages(status: ALL)\n }",
        # What is malformed goes to the parser as it came.
        "{ packages(status: ALL) { id }",
        '{ packages(status: ALL) { id } } "',
        "",
        "{" * 100,
    ],
)
def test_what_is_canonical_ambiguous_or_broken_passes_as_the_same_object(compatibility, document):
    request = Request(document, {"id": "1", "status": "ALL"})
    assert compatibility.normalise(request) is request


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ('{"id": "1", "input": {"metadata": {}}}', {"id": "1", "input": {"metadata": {}}}),
        (' {"a" : [1, null] } ', {"a": [1, None]}),
        ("{}", {}),
        ("null", None),
        ("", None),
    ],
)
def test_variables_may_be_json_text(compatibility, text, variables):
    assert compatibility.normalise(Request("{x}", text)) == Request("{x}", variables)


@pytest.mark.parametrize("text", ["{", "[]", "5", '"text"', "{'a': 1}", "[" * 100_000, '{"a": "\ud800"}'])
def test_variables_that_are_text_but_no_json_object_are_refused_by_name(compatibility, text):
    with pytest.raises(InvalidInputError) as refusal:
        compatibility.normalise(Request("{x}", text))
    assert refusal.value.field == "variables"


RECORD = "mutation ($input: CreateUsageEventInput!) { recordUsage(input: $input) { recorded } }"
CREATE = "mutation ($input: CreatePackageInput!) { createPackage(input: $input) { id } }"
CHECK = 'query ($delta: Int, $first: Int!) { canUseFeature(featureId: "f", userId: "u", delta: $delta) { access } }'


@pytest.mark.parametrize(
    ("document", "variables", "expected"),
    [
        (CHECK, {"delta": "5", "first": "10"}, {"delta": 5, "first": 10}),
        (CHECK, {"delta": "-5"}, {"delta": -5}),
        (CHECK, {"delta": "0"}, {"delta": 0}),
        (RECORD, {"input": {"userId": "1", "delta": "7"}}, {"input": {"userId": "1", "delta": 7}}),
        (
            CREATE,
            {
                "input": {
                    "id": "5",
                    "features": [{"id": "6", "entitlement": {"limit": "1000"}}],
                    "metadata": {"limit": "1"},
                }
            },
            {
                "input": {
                    "id": "5",
                    "features": [{"id": "6", "entitlement": {"limit": 1000}}],
                    "metadata": {"limit": "1"},
                }
            },
        ),
        (
            CREATE,
            {"input": {"features": {"id": "6", "entitlement": {"limit": "1000"}}}},
            {"input": {"features": {"id": "6", "entitlement": {"limit": 1000}}}},
        ),
        (
            'mutation ($p: [Int!]!) { subscribe(planIds: $p, userId: "u") { id } }',
            {"p": [21, "22"]},
            {"p": ["21", "22"]},
        ),
    ],
)
def test_numbers_and_texts_in_variables_have_the_type_of_their_place(compatibility, document, variables, expected):
    before = repr(variables)
    assert compatibility.normalise(Request(document, variables)).variables == expected
    assert repr(variables) == before


@pytest.mark.parametrize("text", ["", " 5", "5 ", "+5", "05", "5.0", "1e3", "0x5", "five", "\u0665", "1" * 400])
def test_text_that_is_no_integer_stays_text_for_the_engine_to_refuse(compatibility, text):
    request = Request(CHECK, {"delta": text})
    assert compatibility.normalise(request) is request


@pytest.mark.parametrize("variables", [{"delta": 5}, {"delta": None}, {"input": "5"}, {"delta": {"a": "5"}}, {}])
def test_variables_that_need_nothing_pass_as_the_same_object(compatibility, variables):
    request = Request(CHECK, variables)
    assert compatibility.normalise(request) is request


def test_only_the_operation_that_runs_decides_the_types(compatibility):
    document = "query A($v: Int) { a(v: $v) } query B($v: String) { b(v: $v) }"
    for name, value in [("A", 5), ("B", "5"), (None, "5"), ("C", "5")]:
        assert compatibility.normalise(Request(document, {"v": "5"}, name)).variables == {"v": value}


UPDATE = "mutation ($input: UpdateFeatureInput!) { updateFeature(input: $input) { id } }"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"id": "f", "input": {"name": "n"}}, {"id": "f", "input": {"name": "n"}}),
        ({"id": "f", "input": {"name": "n", "id": None}}, {"id": "f", "input": {"name": "n", "id": None}}),
        ({"id": "f", "input": {"id": "g"}}, {"input": {"id": "g"}}),
        ({"input": {"id": "g"}}, {"input": {"id": "g"}}),
        ({"input": {}}, {"input": {}}),
    ],
)
def test_the_id_in_the_input_goes_before_the_one_among_the_variables(compatibility, variables, expected):
    assert compatibility.normalise(Request(UPDATE, variables)).variables == expected


def test_a_document_over_the_limit_is_left_to_the_gate(compatibility):
    request = Request("{ packages(status: ALL) { id } } #" + "x" * Limits().document_bytes)
    assert compatibility.normalise(request) is request


text = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), max_size=12)


@given(text)
def test_no_string_and_no_comment_is_ever_touched(content):
    hidden = f"packages(status: ALL) {{ {content} }} generateUserToken(userId: 1)"
    document = f'{{ feature(id: "{hidden}") {{ id }} b: feature(id: """{hidden}""") {{ id }} # {hidden}\n}}'
    request = Request(document)
    assert Compatibility({}, Limits()).normalise(request) is request


WORDS = """{ } ( ) [ ] ... on $ a query mutation fragment packages status : ! = @ ALL "s" 1 | data canUseFeature updateFeature
    input generateUserToken""".split()
tokens = st.sampled_from(WORDS)


@given(st.lists(tokens, max_size=40).map(" ".join))
def test_any_tokens_have_an_outline_or_none_and_are_never_edited_into_something_malformed(document):
    rewritten = Compatibility({}, Limits()).normalise(Request(document)).query
    if outline_of(document) is None:
        assert rewritten is document
    else:
        assert outline_of(rewritten) is not None
