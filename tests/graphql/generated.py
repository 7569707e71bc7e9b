"""Documents for a schema, generated: mostly valid, with variables of every shape of input, fragments, aliases, conditions."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    get_named_type,
    is_composite_type,
)
from hypothesis import strategies as st

SCALARS: dict[str, list[Any]] = {
    "Int": [0, 7, -1, 2**31 - 1],
    "Float": [0, 1.5, -2e3],
    "String": ["", "é漢", 'a "quoted" word'],
    "ID": ["a", 5],
    "Boolean": [True, False],
    "DateTime": ["2022-08-10T15:07:01.803Z", "2022-08-10T17:07:01+02:00"],
    "Odd": [1, 3, 7],
    "JSON": [None, 1, "text", [1, None, {"a": []}], {"a": {"b": True}}],
}
# For a place of any type. Most are wrong in most places.
JUNK: list[Any] = [None, 0, 1.5, 2**31, "", "BIG", "WEEK", True, [], [None], [[1]], {}, {"unknown": 1}, {"count": None}]


@dataclass
class Written:
    """A request, and what was generated of it so far."""

    text: str = ""
    declared: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    fragments: list[tuple[str, Any, str]] = field(default_factory=list)


class Writer:
    """Writes one document, choice by choice."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any], schema: GraphQLSchema) -> None:
        self._draw = draw
        self._schema = schema
        self._written = Written()

    def document(self) -> Written:
        kind = self._one_of(["query", "query", "mutation"])
        root = self._schema.query_type if kind == "query" else self._schema.mutation_type
        body = self._selections(root, 0)
        written = self._written
        declared = ", ".join(f"${name}: {text}" for name, text in written.declared.items())
        fragments = (f"fragment {name} on {of_type} {inner}" for name, of_type, inner in written.fragments)
        written.text = "\n".join([f"{kind} Q({declared}) {body}" if declared else f"{kind} {body}", *fragments])
        return written

    def _one_of(self, options: Iterable[Any]) -> Any:
        return self._draw(st.sampled_from(list(options)))

    def _sometimes(self, one_in: int) -> bool:
        return self._draw(st.integers(1, one_in)) == one_in

    def _selections(self, parent: Any, depth: int) -> str:
        count = self._draw(st.integers(1, 4 if depth < 2 else 2))
        return "{ " + " ".join(self._selection(parent, depth) for _ in range(count)) + " }"

    def _selection(self, parent: Any, depth: int) -> str:
        if depth < 4 and self._sometimes(5):
            return self._fragment(parent, depth)
        fields = {} if isinstance(parent, GraphQLUnionType) else parent.fields
        names = [name for name in fields if depth < 3 or not is_composite_type(get_named_type(fields[name].type))]
        if not names or self._sometimes(12):
            return "__typename"
        name = self._one_of(names)
        return self._field(fields[name], name, depth)

    def _field(self, definition: Any, name: str, depth: int) -> str:
        given = [f"{key}: {self._value(of.type)}" for key, of in definition.args.items() if self._is_given(of)]
        # A field with arguments answers under a key of its own, or it would conflict with most of its like.
        alias = f"a{self._draw(st.integers(0, 99))}: " if given or self._sometimes(4) else ""
        arguments = f"({', '.join(given)})" if given else ""
        of_type = get_named_type(definition.type)
        inner = self._selections(of_type, depth + 1) if is_composite_type(of_type) else ""
        return f"{alias}{name}{arguments}{self._conditions()} {inner}"

    def _fragment(self, parent: Any, depth: int) -> str:
        conditions = self._conditions()
        known = [name for name, of_type, _ in self._written.fragments if of_type is parent]
        if known and self._sometimes(3):
            return f"...{self._one_of(known)}{conditions}"
        of_type = self._one_of(self._types_that_meet(parent))
        inner = self._selections(of_type, depth + 1)
        if self._sometimes(2):
            return f"... on {of_type}{conditions} {inner}"
        name = f"F{len(self._written.fragments)}"
        self._written.fragments.append((name, of_type, inner))
        return f"...{name}{conditions}"

    def _types_that_meet(self, parent: Any) -> list[Any]:
        if isinstance(parent, GraphQLObjectType):
            return [parent, *parent.interfaces]
        return [parent, *self._schema.get_possible_types(parent)]

    def _conditions(self) -> str:
        return "".join(f" @{name}(if: {self._condition()})" for name in ("skip", "include") if self._sometimes(10))

    def _condition(self) -> str:
        if self._sometimes(2):
            return self._one_of(["true", "false"])
        declared = self._one_of(["Boolean!", "Boolean = true", "Boolean! = false"])
        return self._variable(declared, self._one_of([True, False]))

    def _variable(self, declared: str, value: Any) -> str:
        """A new variable, most often with this value."""
        name = f"v{len(self._written.declared)}"
        self._written.declared[name] = declared
        if not self._sometimes(12):
            self._written.variables[name] = self._one_of(JUNK) if self._sometimes(20) else value
        return f"${name}"

    def _is_given(self, definition: Any) -> bool:
        required = isinstance(definition.type, GraphQLNonNull) and definition.default_value is Undefined
        return not self._sometimes(40) if required else self._sometimes(2)

    def _value(self, of_type: Any) -> str:
        """A literal, a variable, or a literal with variables in it."""
        if self._sometimes(3):
            stricter = "" if isinstance(of_type, GraphQLNonNull) or self._sometimes(2) else "!"
            default = f" = {self._literal(of_type, constant=True)}" if self._sometimes(4) else ""
            return self._variable(f"{of_type}{stricter}{default}", self._json(of_type))
        return self._literal(of_type)

    def _literal(self, of_type: Any, *, constant: bool = False, nullable: bool = True) -> str:
        if self._sometimes(60):
            return printed(self._one_of(JUNK))
        if isinstance(of_type, GraphQLNonNull):
            return self._literal(of_type.of_type, constant=constant, nullable=False)
        if nullable and self._sometimes(8):
            return "null"
        inner = partial(self._literal, constant=True) if constant else self._value
        if isinstance(of_type, GraphQLList):
            items = [inner(of_type.of_type) for _ in range(self._draw(st.integers(0, 2)))]
            return items[0] if len(items) == 1 else f"[{', '.join(items)}]"
        if isinstance(of_type, GraphQLInputObjectType):
            fields = [f"{name}: {inner(of.type)}" for name, of in of_type.fields.items() if self._is_given(of)]
            return "{" + ", ".join(fields) + "}"
        if isinstance(of_type, GraphQLEnumType):
            return self._one_of(of_type.values)
        return printed(self._one_of(SCALARS[of_type.name]))

    def _json(self, of_type: Any, *, nullable: bool = True) -> Any:
        if self._sometimes(40):
            return self._one_of(JUNK)
        if isinstance(of_type, GraphQLNonNull):
            return self._json(of_type.of_type, nullable=False)
        if nullable and self._sometimes(8):
            return None
        if isinstance(of_type, GraphQLList):
            items = [self._json(of_type.of_type) for _ in range(self._draw(st.integers(0, 2)))]
            return items[0] if len(items) == 1 else items
        if isinstance(of_type, GraphQLInputObjectType):
            return {name: self._json(of.type) for name, of in of_type.fields.items() if self._is_given(of)}
        return self._one_of(of_type.values if isinstance(of_type, GraphQLEnumType) else SCALARS[of_type.name])


def printed(value: Any) -> str:
    """A JSON value in GraphQL's notation."""
    if isinstance(value, list):
        return f"[{', '.join(map(printed, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {printed(item)}" for name, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


@st.composite
def requests(draw: Callable[[st.SearchStrategy[Any]], Any], schema: GraphQLSchema) -> Written:
    return Writer(draw, schema).document()
