"""A schema with every shape of input and output, and a world of objects behind it in which some values are bad."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tartiflette import Scalar
from tartiflette.constants import UNDEFINED_VALUE
from tartiflette.language.ast import IntValueNode

from app.errors import InvalidInputError
from app.graphql.engine import resolver
from app.graphql.engine.resolvers import attribute_name

SDL = """
enum Kind { SMALL BIG }
"Not every value is one, inside or outside."
scalar Odd
input Inner { count: Int! = 3 kind: Kind = BIG tags: [String!] deep: Inner }
input Search {
  text: String = "a" inner: Inner = {count: 1, tags: ["b"]} inners: [Inner!] limit: Int when: DateTime extra: JSON odd: Odd
  sure: Boolean!
}
interface Node { id: ID! name: String }
type Thing implements Node {
  id: ID! name: String count: Int! ratio: Float flag: Boolean when: DateTime kind: Kind kindSure: Kind! data: JSON
  odd: Odd oddSure: Odd! tags: [String!] scores: [Int]! grid: [[Int!]]
  inner: Thing innerSure: Thing! others: [Thing!] othersSure: [Thing]!
  size(unit: Kind = BIG, times: Int! = 2): Int either: Either node: Node
  later: Thing laterSure: Thing! laterList: [Thing!]
}
type Other implements Node { id: ID! name: String thing: Thing }
union Either = Thing | Other
type Query {
  thing: Thing thingSure: Thing! things: [Thing] thingsSure: [Thing!]! together: [Thing!] node: Node either: [Either!]
  echo(
    s: String i: Int f: Float b: Boolean id: ID e: Kind j: JSON t: DateTime odd: Odd l: [Int!] ll: [[Int]] o: Search os: [Search!]
    n: Int! = 1
  ): String
}
type Mutation { thing: Thing thingSure: Thing! change(to: Int!, in: Inner): Thing later: Thing echo(o: Search!): String! }
"""

# The resolvers, and what each asks for.
RESOLVERS: dict[str, dict[str, bool]] = {
    **{f"Query.{name}": {} for name in ("thing", "thingSure", "things", "thingsSure", "node", "either", "echo")},
    **{f"Mutation.{name}": {} for name in ("thing", "thingSure", "change", "echo")},
    "Query.together": {"list_concurrently": True},
    "Mutation.later": {"parent_concurrently": True},
    "Thing.later": {"parent_concurrently": True},
    "Thing.laterSure": {"parent_concurrently": True},
    "Thing.laterList": {"parent_concurrently": True, "list_concurrently": True},
}

GOOD: dict[str, Any] = {
    "_typename": "Thing", "id": "t", "name": "Thing", "count": 3, "ratio": 0.5, "flag": True, "kind": "BIG",
    "kind_sure": "SMALL", "odd": 1, "odd_sure": 3, "when": "2022-08-10T15:07:01.803Z", "data": {"a": [1, None]},
    "tags": ["a", "b"], "scores": [1, None], "grid": [[1], None],
}  # fmt: skip
ONE = frozenset(["inner", "inner_sure", "later", "later_sure", "node", "thing", "thing_sure", "change"])
TWO = frozenset(["others", "others_sure", "later_list", "things", "things_sure", "together"])

RAISES = object()
BAD: dict[str, Callable[[], Any]] = {
    "null": lambda: None,
    "a fault": lambda: RuntimeError("broken"),
    "a refusal": lambda: InvalidInputError("field", "is broken"),
    "raises": lambda: RAISES,
    "text": lambda: "text",
    "a number": lambda: 5,
    "seven": lambda: 7,
    "an even number": lambda: 6,
    "a large number": lambda: 2**40,
    "half": lambda: 1.5,
    "a tuple": lambda: (1,),
    "an object": lambda: {"a": 1},
    "nothing": list,
    "nulls": lambda: [None, 1, None],
    "faults": lambda: [RuntimeError("first"), 1, RuntimeError("second")],
    "lists": lambda: [[1, None], [RuntimeError("broken")], 1],
}


@dataclass(frozen=True)
class Spoil:
    """A bad value for one field: at every object if `depth` is None."""

    field: str
    depth: int | None
    bad: str


class Thing:
    """Without end: its children are made when they are asked for."""

    def __init__(self, spoils: Sequence[Spoil], depth: int = 0) -> None:
        self.spoils = spoils
        self.depth = depth

    def __repr__(self) -> str:
        return f"Thing at depth {self.depth}"

    def __getattr__(self, name: str) -> Any:
        for spoil in self.spoils:
            if spoil.field == name and spoil.depth in (None, self.depth):
                value = BAD[spoil.bad]()
                if value is RAISES:
                    raise RuntimeError("unreadable")
                return value
        return self.child(name)

    def child(self, name: str) -> Any:
        def thing() -> Thing:
            return Thing(self.spoils, self.depth + 1)

        if name in ONE:
            return thing()
        if name in TWO:
            return [thing(), thing()]
        if name == "either":
            other = {"_typename": "Other", "id": 5, "name": None, "thing": thing()}
            return [thing(), other] if self.depth == 0 else other
        return GOOD.get(name)


class Odd:
    """A scalar of each way to refuse a value."""

    def coerce_output(self, value: Any) -> Any:
        return self.coerce_input(value)

    def coerce_input(self, value: Any) -> Any:
        if value % 2 == 0:
            return UNDEFINED_VALUE
        return {"odd": value} if value != 7 else None

    def parse_literal(self, ast: Any) -> Any:
        return self.coerce_input(int(ast.value)) if isinstance(ast, IntValueNode) else UNDEFINED_VALUE


def register(schema_name: str) -> None:
    Scalar("Odd", schema_name=schema_name)(Odd())
    for field, asked in RESOLVERS.items():
        resolver(schema_name, field, **asked)(_resolve_echo if field.endswith("echo") else _resolve(field))


async def _resolve_echo(_parent: Any, arguments: dict[str, Any], _context: Any, _info: Any) -> str:
    return json.dumps(arguments, default=str)


def _resolve(field: str) -> Callable[..., Any]:
    attribute = attribute_name(field.partition(".")[2])

    async def resolve(parent: Any, _arguments: dict[str, Any], context: Any, _info: Any) -> Any:
        if "ater" in field:
            await asyncio.sleep(0)
        return getattr(context if parent is None else parent, attribute)

    return resolve
