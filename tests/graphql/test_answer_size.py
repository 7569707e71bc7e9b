"""Lists in lists multiply, however small the document is: what an answer may hold is bounded."""

from typing import Any

import pytest
import pytest_asyncio

from app.graphql.engine import Engine, cook_engine, resolver
from app.graphql.limits import Limits

SDL = """
type Query { shelf(books: Int!): [Book!]! }
type Mutation { shelf(books: Int!): [Book!]! }
type Book { pages: [Page!]! }
type Page { number: Int! }
"""
LIMIT = 12
MESSAGE = "The lists of the answer have more than 12 entries together: ask for less at a time, with first and after"


def register(schema_name: str) -> None:
    for root in ("Query", "Mutation"):

        @resolver(schema_name, f"{root}.shelf")
        async def shelf(_parent: None, arguments: dict[str, Any], _context: Any, _info: Any) -> list[dict[str, Any]]:
            return [{"pages": [{"number": 1}, {"number": 2}]}] * arguments["books"]


@pytest_asyncio.fixture(scope="session")
async def library() -> Engine:
    return await cook_engine(SDL, register, limits=Limits(list_entries=LIMIT))


async def test_an_answer_may_hold_just_as_many_entries_as_allowed(library: Engine) -> None:
    answer = await library.execute("{ shelf(books: 4) { pages { number } } }")

    assert answer == {"data": {"shelf": [{"pages": [{"number": 1}, {"number": 2}]}] * 4}}


@pytest.mark.parametrize(
    "document",
    [
        "{ shelf(books: 13) { __typename } }",
        "{ shelf(books: 5) { pages { number } } }",
        "{ one: shelf(books: 6) { __typename } other: shelf(books: 7) { __typename } }",
        "mutation { shelf(books: 13) { __typename } }",
    ],
    ids=["one list", "lists in a list", "two lists", "a mutation's list"],
)
async def test_an_answer_with_one_entry_more_is_refused_with_advice(library: Engine, document: str) -> None:
    answer = await library.execute(document)

    assert answer["data"] is None
    assert answer["errors"][0]["message"] == MESSAGE
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert answer["errors"][0]["extensions"]["exception"]["name"] == "GraphQLLimitError"


async def test_each_answer_is_counted_for_itself(library: Engine) -> None:
    answers = [await library.execute("{ shelf(books: 12) { __typename } }") for _ in range(3)]

    assert [len(answer["data"]["shelf"]) for answer in answers] == [12, 12, 12]
