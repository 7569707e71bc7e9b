"""One small schema for the tests of the engine. It holds every kind of type that the specification's rules speak about."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from tartiflette import Scalar
from tartiflette.scalar.builtins.string import ScalarString

from app.errors import InvalidInputError, OverloadedError, UserNotFoundError
from app.graphql.engine import Engine, cook_engine, resolver

SDL = """
"How often."
enum Period { DAY MONTH YEAR @deprecated(reason: "Too long.") }
scalar Slug @specifiedBy(url: "https://example.com/slug")
interface Node { id: ID! }
type Package implements Node { id: ID! name: String self: Package features: [Feature!]! cost(in: String = "gbp"): Int }
type Feature implements Node { id: ID! title: String package: Package }
union Thing = Package | Feature
input Window { days: Int! = 7 period: Period label: String @deprecated(reason: "Unused.") tags: [String!] }
input Search { text: String = "a \\"quoted\\" word" window: Window windows: [Window!] limit: Int slug: Slug extra: JSON }
type Query {
  x: Int
  "Says what it was given."
  echo(
    s: String i: Int f: Float b: Boolean id: ID e: Period j: JSON t: DateTime
    l: [Int!] ll: [[Int]] o: Search old: Int @deprecated(reason: "Never.") n: Int! = 1
  ): String
  needs(i: Int!): Int
  package: Package
  thing: Thing
  node: Node
  fail(how: String!): Int
  failHard: Package!
  cased: Cased
}
type Cased { periodStart: DateTime unitLabel: String items: Int }
type Mutation { set(to: Int!): Int  setAgain(to: Int!): Int }
"""


@dataclass
class CasedView:
    period_start: str
    unit_label: str
    items: int


def shown(arguments: dict[str, Any]) -> str:
    return json.dumps(arguments, sort_keys=True, ensure_ascii=False, default=str)


def new_package() -> dict[str, Any]:
    package: dict[str, Any] = {"_typename": "Package", "id": "p", "name": "Pro"}
    package["self"] = package
    package["features"] = [{"_typename": "Feature", "id": "f", "title": "Calls", "package": package}]
    return package


def register(schema_name: str) -> None:
    Scalar("Slug", schema_name=schema_name)(ScalarString())
    register_answers(schema_name)
    register_failures(schema_name)


def register_failures(schema_name: str) -> None:
    @resolver(schema_name, "Query.fail")
    async def fail(_parent: Any, arguments: dict[str, Any], _context: Any, _info: Any) -> Any:
        raise failure(arguments["how"])

    @resolver(schema_name, "Query.failHard")
    async def fail_hard(_parent: Any, _arguments: Any, _context: Any, _info: Any) -> Any:
        raise UserNotFoundError

    @resolver(schema_name, "Query.cased")
    async def cased(_parent: Any, _arguments: Any, _context: Any, _info: Any) -> Any:
        return CasedView("2022-08-10T15:07:01.803Z", "API Call", 3)


def register_answers(schema_name: str) -> None:
    @resolver(schema_name, "Query.x")
    async def x(_parent: Any, _arguments: Any, _context: Any, _info: Any) -> int:
        return 1

    @resolver(schema_name, "Query.echo")
    async def echo(_parent: Any, arguments: dict[str, Any], _context: Any, _info: Any) -> str:
        return shown(arguments)

    @resolver(schema_name, "Query.needs")
    async def needs(_parent: Any, arguments: dict[str, Any], _context: Any, _info: Any) -> Any:
        return arguments["i"]

    for field in ("package", "thing", "node"):

        @resolver(schema_name, f"Query.{field}")
        async def package(_parent: Any, _arguments: Any, _context: Any, _info: Any) -> Any:
            return new_package()

    @resolver(schema_name, "Package.cost")
    async def cost(_parent: Any, arguments: dict[str, Any], _context: Any, _info: Any) -> int:
        return len(arguments["in"])

    for field in ("set", "setAgain"):

        @resolver(schema_name, f"Mutation.{field}")
        async def set_to(_parent: Any, arguments: dict[str, Any], _context: Any, _info: Any) -> Any:
            return arguments["to"]


def failure(how: str) -> Exception:
    return {
        "not found": UserNotFoundError(),
        "invalid": InvalidInputError("input.delta", "must not be 0"),
        "overloaded": OverloadedError("Too many requests are waiting"),
        "long": InvalidInputError("name", "x" * 2_000),
    }.get(how) or RuntimeError("the password is hunter2")


@pytest.fixture(scope="session")
def sdl() -> str:
    return SDL


@pytest.fixture(scope="session")
def resolver_values() -> dict[str, Callable[..., Any]]:
    """What the resolvers above answer with, for a reference that must answer the same."""
    return {"shown": shown, "package": new_package}


@pytest.fixture(scope="session")
def registered() -> Callable[[str], None]:
    return register


@pytest_asyncio.fixture(scope="session")
async def engine() -> Engine:
    return await cook_engine(SDL, register)
