"""The gate's limits, each at its edge, and the pre-scan's rewriting."""

from contextlib import suppress
from dataclasses import replace

import pytest
from graphql import get_introspection_query, parse, print_ast, visit
from graphql.language import StringValueNode, Visitor
from hypothesis import given
from hypothesis import strategies as st

from app.graphql.document_cache import DocumentCache
from app.graphql.limits import Limits
from app.graphql.prescan import prescan
from app.graphql.refusals import DocumentRefusedError, SyntaxRefusedError

LIMITS = Limits()


async def refused(engine, document: str) -> str | None:
    """What the gate says about a document; None when it lets it through."""
    answer = await engine.execute(document)
    for error in answer.get("errors", []):
        if error["extensions"]["exception"]["name"] == "GraphQLLimitError":
            return error["message"]
    return None


def test_bytes_are_counted_as_utf_8():
    limits = replace(LIMITS, document_bytes=20)
    assert prescan('{a(b:"ééééééé")}', replace(limits, document_bytes=23)) == '{a(b:"ééééééé")}'
    with pytest.raises(DocumentRefusedError) as refusal:
        prescan('{a(b:"ééééééé")}', limits)
    assert refusal.value.message == "The document has 23 bytes, at most 20 are allowed"


def test_tokens_are_counted_without_comments_and_commas():
    limits = replace(LIMITS, tokens=4)
    assert prescan("{a,,,b} # a b c d", limits) == "{a,,,b} # a b c d"
    with pytest.raises(DocumentRefusedError) as refusal:
        prescan("{a b c}", limits)
    assert refusal.value.message == "The document has 5 tokens, at most 4 are allowed"


@pytest.mark.parametrize("number", ["12345", "-1234", "1.234", "1e123"])
def test_the_length_of_numbers_is_limited(number):
    document = f'{{a(b:{number} c:"123456")}}'
    assert prescan(document, replace(LIMITS, number_characters=5)) == document
    with pytest.raises(DocumentRefusedError) as refusal:
        prescan(document, replace(LIMITS, number_characters=4))
    assert refusal.value.message == "A number has 5 characters, at most 4 are allowed"


def test_brackets_in_strings_and_comments_do_not_nest():
    limits = replace(LIMITS, nesting=2)
    for document in ('{a(b:"{{{{[[[[((((")}', '{a(b:"""{{{{ \\""" ((( """)}', "{a # {{{{{{{{\n}", '{a(b:"\\"{{{{")}'):
        assert prescan(document, limits) == document
    with pytest.raises(DocumentRefusedError):
        prescan("{a(b:[1])}", limits)


@pytest.mark.parametrize("depth", [12, 13])
async def test_twelve_levels_of_selections_are_allowed(engine, depth):
    document = "{package" + "{self" * (depth - 2) + "{id}" + "}" * (depth - 1)
    expected = None if depth == 12 else "The document selects deeper than 12 levels"
    assert await refused(engine, document) == expected


@pytest.mark.parametrize("depth", [12, 13])
async def test_fragments_do_not_hide_depth(engine, depth):
    inner = "{self" * (depth - 3) + "{id}" + "}" * (depth - 3)
    document = f"{{package{{self{{...A}}}}}} fragment A on Package{{...B}} fragment B on Package{inner}"
    assert (await refused(engine, document) is None) == (depth == 12)


@pytest.mark.parametrize("fields", [250, 251])
async def test_two_hundred_and_fifty_fields_are_allowed(engine, fields):
    document = "{package{" + " ".join(f"a{number}:id" for number in range(fields - 1)) + "}}"
    expected = None if fields == 250 else "The document selects more than 250 fields"
    assert await refused(engine, document) == expected


async def test_fields_of_a_fragment_count_each_time_it_is_spread(engine):
    fragment = "fragment A on Package{" + " ".join(f"a{number}:id" for number in range(124)) + "}"
    assert await refused(engine, f"{{a:package{{...A}} b:package{{...A}}}} {fragment}") is None
    assert await refused(engine, f"{{a:package{{...A}} b:package{{...A}} x}} {fragment}") is not None


async def test_root_fields_count_through_fragments(engine):
    for document, allowed in [
        ("{...A ...B} fragment A on Query{a:x b:x c:x d:x e:x} fragment B on Query{f:x g:x h:x i:x j:x}", True),
        ("{k:x ...A ...B} fragment A on Query{a:x b:x c:x d:x e:x} fragment B on Query{f:x g:x h:x i:x j:x}", False),
        ("{...on Query{a:x b:x c:x d:x e:x f:x g:x h:x i:x j:x k:x}}", False),
    ]:
        assert (await refused(engine, document) is None) == allowed


async def test_thirty_definitions_are_allowed(engine):
    assert await refused(engine, " ".join(f"query Q{number}{{x}}" for number in range(30))) is None
    assert await refused(engine, " ".join(f"query Q{number}{{x}}" for number in range(31))) == (
        "The document has 31 definitions, at most 30 are allowed"
    )


async def test_the_longest_introspection_query_of_a_client_passes(engine):
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True, one_of=True
    )  # fmt: skip
    assert await refused(engine, query) is None


async def test_lists_of_introspection_do_not_multiply(engine):
    once = "{__schema{types{fields{type{name}}}}}"
    twice = "{__schema{types{fields{type{fields{name}}}}}}"
    thrice = "{__schema{types{fields{type{fields{type{fields{name}}}}}}}}"
    hidden = "{__schema{types{...A}}} fragment A on __Type{fields{type{fields{type{fields{name}}}}}}"
    assert [await refused(engine, document) for document in (once, twice)] == [None, None]
    for document in (thrice, hidden):
        assert await refused(engine, document) == "The document nests more than 2 lists of introspection"


async def test_introspection_has_a_depth_of_its_own(engine):
    allowed = '{__type(name:"Query"){' + "ofType{" * 18 + "name" + "}" * 18 + "}}"
    too_deep = '{__type(name:"Query"){' + "ofType{" * 20 + "name" + "}" * 20 + "}}"
    assert await refused(engine, allowed) is None
    assert await refused(engine, too_deep) == "The document introspects deeper than 20 levels"


@pytest.mark.parametrize(
    ("document", "problem", "line", "column"),
    [
        ("{\n  x\x00}", "Syntax error: Unexpected control character U+0000", 2, 4),
        ("{x \ud800}", "Syntax error: A lone surrogate is no character", 1, 4),
        ('{\n  echo(s: "a\\q")}', "Syntax error: Invalid escape \\q", 2, 13),
        ('{echo(s:"\\u12")}', "Syntax error: Invalid escape \\u", 1, 10),
        ('{echo(s:"never)}', "Syntax error: Unterminated string", 1, 9),
        ("{x\n}}}", "Syntax error: unexpected }, expecting EOF", 2, 2),
    ],
)
async def test_a_syntax_error_says_where(engine, document, problem, line, column):
    [error] = (await engine.execute(document))["errors"]
    assert (error["message"], error["locations"]) == (problem, [{"line": line, "column": column}])
    assert error["extensions"]["exception"]["name"] == "GraphQLSyntaxError"


ESCAPES = [
    r"\u6f22",
    r"\u{1F600}",
    r"\uD83D\uDE00",
    r"\"",
    r"\\",
    r"\n",
    r"\u0041",
    r"\u0022",
    r"\u005C",
    "\t",
    "é",
    "#",
    "{",
]
contents = st.lists(st.sampled_from(ESCAPES), max_size=8).map("".join)


class _Strings(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.values: list[str] = []

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        self.values.append(node.value)


def string_values(document: str) -> list[str]:
    strings = _Strings()
    visit(parse(document), strings)
    return strings.values


@given(contents, contents)
def test_rewriting_changes_no_string_and_nothing_else(one, other):
    block = other.replace("\\", "").replace('"', "")
    document = f'{{a(b:"{one}", c:"""{block}""") # "{one}"\n d(e: "{other}")}}'
    rewritten = prescan(document, LIMITS)
    assert string_values(rewritten) == string_values(document)
    assert print_ast(parse(rewritten)) == print_ast(parse(document))
    assert "\\u6f22" not in rewritten.split("#")[0]


@given(st.text(max_size=60))
def test_the_prescan_answers_any_text_with_encodable_text_or_a_refusal(text):
    with suppress(SyntaxRefusedError, DocumentRefusedError):
        prescan(text, LIMITS).encode()


def test_the_cache_lets_go_of_what_was_used_longest_ago():
    cache: DocumentCache[int] = DocumentCache(documents=2, size_bytes=100)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(name) for name in "abc"] == [1, None, 3]
    assert (len(cache), cache.used_bytes) == (2, 2)


def test_the_cache_counts_bytes_and_takes_nothing_larger_than_itself():
    cache: DocumentCache[int] = DocumentCache(documents=10, size_bytes=8)
    cache.put("é" * 3, 1)
    cache.put("abc", 2)
    assert (len(cache), cache.used_bytes) == (1, 3)
    cache.put("x" * 9, 3)
    assert (len(cache), cache.used_bytes) == (1, 3)
