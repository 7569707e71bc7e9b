"""The tokens of a GraphQL document, in one pass and in linear time, whatever the document holds.

Two parts need to know where strings and comments begin and end before the real parser runs: the gate, which must refuse
what would crash that parser, and the compatibility step, which edits documents. Both read these tokens, so neither can
mistake the inside of a string for code.

Source: GraphQL specification, September 2025, section 2.1 (lexical grammar) and appendix B.
"""

import re
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    NAME = "name"
    PUNCTUATOR = "punctuator"
    INT = "int"
    FLOAT = "float"
    STRING = "string"
    BLOCK_STRING = "block_string"
    IGNORED = "ignored"


class Token(NamedTuple):
    """`text` is the token as it stands in the document, which it occupies from `start` to before `end`."""

    kind: Kind
    text: str
    start: int
    end: int


class LexicalError(ValueError):
    """The document stops being GraphQL at `position`."""

    def __init__(self, problem: str, position: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.position = position


# Every repetition that could overlap with what follows it is possessive (`*+`): an unterminated string is refused in
# one pass instead of being tried again from each of its characters, and an escaped `\"""` is never reread as an end.
_TOKEN = re.compile(
    r"""
      (?P<name>[_A-Za-z][_0-9A-Za-z]*+)
    | (?P<ignored>(?:[\ufeff\ \t\r\n,]++|\#[^\r\n]*+)++)
    | (?P<punctuator>\.\.\.|[!$&()=:@\[\]{|}])
    | (?P<block_string>\"\"\"(?:[^"\\]++|\\\"\"\"|\\|"(?!""))*+\"\"\")
    | (?P<string>"(?!"")(?:[^"\\\r\n]++|\\[^\r\n])*+")
    | (?P<float>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++(?:[eE][+-]?[0-9]++)?+|[eE][+-]?[0-9]++)(?![.0-9_A-Za-z]))
    | (?P<int>-?(?:0|[1-9][0-9]*+)(?![.0-9_A-Za-z]))
    """,
    re.VERBOSE,
)
_KINDS = {kind.value: kind for kind in Kind}


def tokens_of(document: str) -> list[Token]:
    """Every token of the document, ignored ones too: joined again they are the document, character for character.

    Raises:
        LexicalError: at the first character that begins no token, such as the quote of a string that never ends.
    """
    tokens = []
    position = 0
    match_at = _TOKEN.match
    while position < len(document):
        match = match_at(document, position)
        if match is None:
            raise LexicalError(_problem_at(document, position), position)
        end = match.end()
        tokens.append(Token(_KINDS[str(match.lastgroup)], match.group(), position, end))
        position = end
    return tokens


def line_and_column(document: str, position: int) -> tuple[int, int]:
    """Where an error is, as editors count: both from one; CR, LF and CRLF end a line."""
    before = document[:position].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _problem_at(document: str, position: int) -> str:
    character = document[position]
    if character == '"':
        return "Unterminated string"
    if character.isdigit() or character == "-":
        return "Invalid number"
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    return f"Unexpected character {shown}"
