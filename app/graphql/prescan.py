"""What is looked at before the C parser sees a document, because that parser cannot be trusted with everything.

libgraphqlparser 0.7.0 overflows its stack on deep nesting (which kills the process), stops at a NUL byte as if the
document ended there, reads `\\uXXXX` as one byte, and knows neither `\\u{…}` nor a raw tab in a string. The pre-scan
refuses the first two and rewrites the rest to UTF-8, so that the parser only ever meets what it reads correctly.
Columns of later errors on a rewritten line are counted in the rewritten text.
"""

import re

from app.graphql.lexer import Kind, LexicalError, Token, line_and_column, tokens_of
from app.graphql.limits import Limits
from app.graphql.refusals import DocumentRefusedError, SyntaxRefusedError

_OPENING = frozenset("({[")
_CLOSING = frozenset(")}]")
_NUMBERS = frozenset({Kind.INT, Kind.FLOAT})
_ESCAPE_OR_TAB = re.compile(r"\\u\{([0-9A-Fa-f]*)\}|\\u([0-9A-Fa-f]{4})|\\(.)|(\t)", re.DOTALL)
_SIMPLE_ESCAPES = frozenset('"\\/bfnrt')
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def prescan(document: str, limits: Limits) -> str:
    """The document as the C parser may have it: the same tokens, with string escapes that it would misread already
    resolved.

    Raises:
        SyntaxRefusedError: the text is not GraphQL, with line and column.
        DocumentRefusedError: too many bytes or tokens, too long a number, or nested too deep.
    """
    _refuse_unencodable(document)
    size = len(document.encode())
    if size > limits.document_bytes:
        raise DocumentRefusedError(f"The document has {size} bytes, at most {limits.document_bytes} are allowed")
    try:
        tokens = tokens_of(document)
    except LexicalError as error:
        raise SyntaxRefusedError(error.problem, line_and_column(document, error.position)) from error
    _refuse_too_much(tokens, limits)
    return "".join([_readable(token, document) if token.kind is Kind.STRING else token.text for token in tokens])


def _refuse_unencodable(document: str) -> None:
    surrogate = _SURROGATE.search(document)
    if surrogate:
        raise SyntaxRefusedError("A lone surrogate is no character", line_and_column(document, surrogate.start()))
    control = _CONTROL.search(document)
    if control:
        name = f"U+{ord(control.group()):04X}"
        raise SyntaxRefusedError(f"Unexpected control character {name}", line_and_column(document, control.start()))


def _refuse_too_much(tokens: list[Token], limits: Limits) -> None:
    count = nesting = 0
    for token in tokens:
        if token.kind is Kind.IGNORED:
            continue
        count += 1
        if token.kind in _NUMBERS and len(token.text) > limits.number_characters:
            raise DocumentRefusedError(
                f"A number has {len(token.text)} characters, at most {limits.number_characters} are allowed"
            )
        if token.kind is not Kind.PUNCTUATOR:
            continue
        if token.text in _OPENING:
            nesting += 1
            if nesting > limits.nesting:
                raise DocumentRefusedError(f"The document nests deeper than {limits.nesting} brackets")
        elif token.text in _CLOSING:
            # Never below zero: surplus closing brackets must not buy depth for later ones.
            nesting = max(nesting - 1, 0)
    if count > limits.tokens:
        raise DocumentRefusedError(f"The document has {count} tokens, at most {limits.tokens} are allowed")


def _readable(string: Token, document: str) -> str:
    """The string token with every escape from U+0080 on, and every raw tab, in a form the C parser reads correctly."""
    if "\\" not in string.text and "\t" not in string.text:
        return string.text
    pieces = []
    position = 0
    high_surrogate: int | None = None
    for match in _ESCAPE_OR_TAB.finditer(string.text):
        between = string.text[position : match.start()]
        code_point = _code_point(match, string, document)
        if high_surrogate is not None and (between or code_point is None or not 0xDC00 <= code_point <= 0xDFFF):
            raise _bad_escape("Half of a surrogate pair", string, match, document)
        pieces.append(between)
        position = match.end()
        if code_point is None:
            pieces.append("\\t" if match.group() == "\t" else match.group())
        elif high_surrogate is not None:
            pieces.append(chr(0x10000 + ((high_surrogate - 0xD800) << 10) + (code_point - 0xDC00)))
            high_surrogate = None
        elif 0xD800 <= code_point <= 0xDBFF and match.group(2):
            high_surrogate = code_point
        elif 0xD800 <= code_point <= 0xDFFF:
            raise _bad_escape("Half of a surrogate pair", string, match, document)
        else:
            pieces.append(chr(code_point) if code_point >= 0x80 else f"\\u{code_point:04x}")
    if high_surrogate is not None:
        raise SyntaxRefusedError("Half of a surrogate pair", line_and_column(document, string.start))
    return "".join(pieces) + string.text[position:]


def _code_point(match: re.Match[str], string: Token, document: str) -> int | None:
    """The code point of a `\\u` escape; None for the other escapes and for tabs, which are no code points to
    rewrite.
    """
    braced, fixed, simple, _tab = match.groups()
    if simple is not None and simple not in _SIMPLE_ESCAPES:
        raise _bad_escape(f"Invalid escape \\{simple}", string, match, document)
    if braced is None and fixed is None:
        return None
    # More than eight digits cannot be a code point, and Python would be slow with millions of them.
    code_point = int(braced or fixed or "-1", 16) if len(braced or "") <= 8 else -1
    if not 0 <= code_point <= 0x10FFFF:
        raise _bad_escape("Invalid Unicode escape", string, match, document)
    if code_point == 0:
        raise _bad_escape("NUL is not allowed", string, match, document)
    return code_point


def _bad_escape(problem: str, string: Token, match: re.Match[str], document: str) -> SyntaxRefusedError:
    return SyntaxRefusedError(problem, line_and_column(document, string.start + match.start()))
