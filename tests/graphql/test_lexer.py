"""The lexer against graphql-core's, and against its own promise that the tokens are the document."""

import pytest
from graphql import GraphQLSyntaxError, Source, TokenKind
from graphql.language.lexer import Lexer
from hypothesis import given
from hypothesis import strategies as st

from app.graphql.lexer import Kind, LexicalError, line_and_column, tokens_of

ESCAPES = [r"\n", r"\"", r"\\", r"\u0041", r"\u6f22", r"\u{1F600}", r"\/"]
text = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), max_size=8)
strings = st.lists(text | st.sampled_from(ESCAPES), max_size=4).map(lambda parts: f'"{"".join(parts)}"')
block_strings = st.lists(text | st.sampled_from(['"', '""', '\\"""', "\n", "\t", "#", "{"]), max_size=5).map("".join)
blocks = block_strings.filter(lambda inner: '"""' not in inner.replace('\\"""', "")).map(
    lambda inner: f'"""{inner} """'
)
comments = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10).map(lambda inner: f"#{inner}\n")
names = st.from_regex(r"[_A-Za-z][_0-9A-Za-z]{0,6}", fullmatch=True)
numbers = st.integers(-999, 999).map(str) | st.floats(-9, 9).map(lambda number: f"{number:.3e}")
punctuation = st.sampled_from([*"!$&()=:@[]{|}", "..."])
ignored = st.sampled_from([" ", "\t", "\n", "\r\n", ",", "\ufeff"]) | comments
documents = st.lists(
    st.tuples(strings | blocks | names | numbers | punctuation, ignored.filter(bool)).map("".join), max_size=25
).map("".join)
characters = list('"\\#{}[]()!$&=:@|.-+0123aeu_ \t\n\r,\ufeffé漢😀\x07')
anything = st.lists(st.sampled_from([*characters, '"""']), max_size=30).map("".join)

_CORE_KINDS = {
    TokenKind.NAME: Kind.NAME,
    TokenKind.INT: Kind.INT,
    TokenKind.FLOAT: Kind.FLOAT,
    TokenKind.STRING: Kind.STRING,
    TokenKind.BLOCK_STRING: Kind.BLOCK_STRING,
}


def reference_tokens(document: str) -> list[tuple[Kind, int, int]]:
    lexer = Lexer(Source(document))
    tokens = []
    while (token := lexer.advance()).kind is not TokenKind.EOF:
        tokens.append((_CORE_KINDS.get(token.kind, Kind.PUNCTUATOR), token.start, token.end))
    return tokens


def significant(document: str) -> list[tuple[Kind, int, int]]:
    return [(token.kind, token.start, token.end) for token in tokens_of(document) if token.kind is not Kind.IGNORED]


@given(documents)
def test_joined_tokens_are_the_document_and_equal_graphql_cores(document):
    assert "".join(token.text for token in tokens_of(document)) == document
    assert significant(document) == reference_tokens(document)


@given(anything)
def test_whatever_graphql_core_reads_is_read_alike(document):
    try:
        expected = reference_tokens(document)
    except GraphQLSyntaxError:
        return
    assert significant(document) == expected


@given(anything)
def test_what_is_refused_is_refused_by_graphql_core_too(document):
    try:
        tokens_of(document)
    except LexicalError:
        with pytest.raises(GraphQLSyntaxError):
            reference_tokens(document)


@pytest.mark.parametrize(
    ("document", "problem", "position"),
    [
        ('{a(b:"never', "Unterminated string", 5),
        ('{a(b:"""never""', "Unterminated string", 5),
        ('{a(b:"x\ny")}', "Unterminated string", 5),
        ("{a(b:01)}", "Invalid number", 5),
        ("{a(b:1.)}", "Invalid number", 5),
        ("{a(b:1x)}", "Invalid number", 5),
        ("{a ? b}", "Unexpected character ?", 3),
        ("{a \x07}", "Unexpected character U+0007", 3),
        ("{a..b}", "Unexpected character .", 2),
    ],
)
def test_a_refusal_says_what_and_where(document, problem, position):
    with pytest.raises(LexicalError) as refusal:
        tokens_of(document)
    assert (refusal.value.problem, refusal.value.position) == (problem, position)


def test_an_unterminated_string_of_a_megabyte_is_refused_without_trying_again_from_each_character():
    for opening in ('"', '"""'):
        with pytest.raises(LexicalError):
            tokens_of("{a(b:" + opening + '\\"' * 500_000)


@pytest.mark.parametrize(
    ("document", "position", "expected"),
    [("abc", 2, (1, 3)), ("a\nb", 2, (2, 1)), ("a\r\nbc", 4, (2, 2)), ("a\rb", 2, (2, 1)), ("", 0, (1, 1))],
)
def test_line_and_column_count_as_editors_do(document, position, expected):
    assert line_and_column(document, position) == expected
