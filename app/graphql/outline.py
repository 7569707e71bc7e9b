"""The outline of a GraphQL document: which operations declare which variables and select which fields, and where in the
text all that is.

For edits before the real parser runs. It reads the lexer's tokens, so it cannot be misled by strings or comments; and
it understands well-formed documents only: anything else has no outline and goes to the parser as it came, which words
the error better.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from app.graphql.lexer import Kind, LexicalError, Token, tokens_of

# Deeper documents are refused by the gate anyway.
_NESTING = 32
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_OPERATIONS = frozenset({"query", "mutation", "subscription"})


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name: type = default` of an operation's head; `type_name` is the one name inside its lists and non-nulls."""

    name: str
    type_text: str
    type_name: Token
    default: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """`end` is where a selection could begin: after the name, the arguments and the directives."""

    key: str
    name: str
    arguments: dict[str, tuple[Token, ...]]
    arguments_open: Token | None
    has_directives: bool
    end: int
    selection: "Selection | None"


@dataclass(frozen=True, slots=True)
class Selection:
    """`{ … }`: the fields directly in it, and the selections of inline fragments in it."""

    open: Token
    close: Token
    fields: tuple[Field, ...]
    inline: tuple["Selection", ...]
    has_spreads: bool

    def all_fields(self) -> Iterator[Field]:
        """Every field at any depth."""
        for selected in self.fields:
            yield selected
            if selected.selection:
                yield from selected.selection.all_fields()
        for inline in self.inline:
            yield from inline.all_fields()


@dataclass(frozen=True, slots=True)
class Operation:
    """`head_end` is where variable definitions could begin; `used` are the variables used in its directives and
    selection, one each time.
    """

    kind: str
    name: str | None
    head_end: int
    variables_open: Token | None
    variables: tuple[Variable, ...]
    selection: Selection
    used: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fragment:
    selection: Selection
    used: tuple[str, ...]


@dataclass(slots=True)
class Outline:
    operations: list[Operation] = field(default_factory=list)
    fragments: list[Fragment] = field(default_factory=list)

    def all_fields(self) -> Iterator[Field]:
        for operation in self.operations:
            yield from operation.selection.all_fields()
        for fragment in self.fragments:
            yield from fragment.selection.all_fields()


class _NoOutlineError(Exception):
    pass


def outline_of(document: str) -> Outline | None:
    """The outline, or None of a document that is malformed, nested too deep, or holds more than operations and
    fragments.
    """
    try:
        return _Reader([token for token in tokens_of(document) if token.kind is not Kind.IGNORED]).read()
    except (LexicalError, _NoOutlineError):
        return None


class _Reader:
    """Recursive descent over the significant tokens; every rule leaves the position after what it read."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0

    def read(self) -> Outline:
        outline = Outline()
        while self._position < len(self._tokens):
            if self._sees("fragment"):
                outline.fragments.append(self._fragment())
            else:
                outline.operations.append(self._operation())
        return outline

    def _operation(self) -> Operation:
        start = self._position
        if self._sees("{"):
            selection = self._selection()
            return Operation("query", None, selection.open.start, None, (), selection, self._variables_since(start))
        head = self._take(Kind.NAME)
        if head.text not in _OPERATIONS:
            raise _NoOutlineError
        name = self._take(Kind.NAME) if self._peek().kind is Kind.NAME else None
        variables_open = self._peek() if self._sees("(") else None
        variables = self._variables() if variables_open else ()
        after_variables = self._position
        self._directives()
        selection = self._selection()
        return Operation(
            head.text,
            name.text if name else None,
            (name or head).end,
            variables_open,
            variables,
            selection,
            self._variables_since(after_variables),
        )

    def _fragment(self) -> Fragment:
        start = self._position
        self._skip("fragment")
        self._take(Kind.NAME)
        self._skip("on")
        self._take(Kind.NAME)
        self._directives()
        selection = self._selection()
        return Fragment(selection, self._variables_since(start))

    def _variables(self) -> tuple[Variable, ...]:
        variables = []
        self._skip("(")
        while not self._sees(")"):
            self._skip("$")
            name = self._take(Kind.NAME)
            self._skip(":")
            start = self._position
            type_name = self._type()
            type_text = "".join(token.text for token in self._tokens[start : self._position])
            default: tuple[Token, ...] = ()
            if self._sees("="):
                self._skip("=")
                default = self._value()
            self._directives()
            variables.append(Variable(name.text, type_text, type_name, default))
        self._skip(")")
        return tuple(variables)

    def _type(self) -> Token:
        wrappers = 0
        while self._sees("["):
            self._skip("[")
            wrappers += 1
        name = self._take(Kind.NAME)
        self._skip_if("!")
        for _ in range(wrappers):
            self._skip("]")
            self._skip_if("!")
        return name

    def _selection(self) -> Selection:
        self._depth += 1
        if self._depth > _NESTING:
            raise _NoOutlineError
        opening = self._skip("{")
        fields, inline, has_spreads = [], [], False
        while not self._sees("}"):
            if not self._sees("..."):
                fields.append(self._field())
                continue
            self._skip("...")
            if self._peek().kind is Kind.NAME and not self._sees("on"):
                self._take(Kind.NAME)
                self._directives()
                has_spreads = True
                continue
            if self._sees("on"):
                self._skip("on")
                self._take(Kind.NAME)
            self._directives()
            inline.append(self._selection())
        closing = self._skip("}")
        self._depth -= 1
        return Selection(opening, closing, tuple(fields), tuple(inline), has_spreads)

    def _field(self) -> Field:
        name = key = self._take(Kind.NAME)
        if self._sees(":"):
            self._skip(":")
            name = self._take(Kind.NAME)
        arguments_open = self._peek() if self._sees("(") else None
        arguments = self._arguments() if arguments_open else {}
        has_directives = self._directives()
        end = self._previous().end
        selection = self._selection() if self._sees("{") else None
        return Field(key.text, name.text, arguments, arguments_open, has_directives, end, selection)

    def _arguments(self) -> dict[str, tuple[Token, ...]]:
        arguments = {}
        self._skip("(")
        while not self._sees(")"):
            name = self._take(Kind.NAME)
            self._skip(":")
            arguments[name.text] = self._value()
        self._skip(")")
        return arguments

    def _value(self) -> tuple[Token, ...]:
        start = self._position
        if self._sees("$"):
            self._skip("$")
            self._take(Kind.NAME)
            return tuple(self._tokens[start : self._position])
        expected: list[str] = []
        while True:
            token = self._peek()
            self._position += 1
            if token.text in _CLOSING and token.kind is Kind.PUNCTUATOR:
                expected.append(_CLOSING[token.text])
            elif expected and token.text == expected[-1]:
                expected.pop()
            elif token.kind is Kind.PUNCTUATOR and (not expected or token.text not in {":", "$"}):
                raise _NoOutlineError
            if not expected:
                return tuple(self._tokens[start : self._position])

    def _directives(self) -> bool:
        found = False
        while self._sees("@"):
            found = True
            self._skip("@")
            self._take(Kind.NAME)
            if self._sees("("):
                self._arguments()
        return found

    def _variables_since(self, start: int) -> tuple[str, ...]:
        tokens = self._tokens[start : self._position]
        return tuple(after.text for before, after in pairwise(tokens) if before.text == "$")

    def _peek(self) -> Token:
        if self._position >= len(self._tokens):
            raise _NoOutlineError
        return self._tokens[self._position]

    def _previous(self) -> Token:
        return self._tokens[self._position - 1]

    def _sees(self, text: str) -> bool:
        return self._position < len(self._tokens) and self._tokens[self._position].text == text

    def _take(self, kind: Kind) -> Token:
        token = self._peek()
        if token.kind is not kind:
            raise _NoOutlineError
        self._position += 1
        return token

    def _skip_if(self, text: str) -> None:
        if self._sees(text):
            self._position += 1

    def _skip(self, text: str) -> Token:
        token = self._peek()
        if token.text != text:
            raise _NoOutlineError
        self._position += 1
        return token
