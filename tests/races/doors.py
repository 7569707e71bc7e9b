"""The ways into the product for one tenant: REST and GraphQL of each web process, and many calls at once through them."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, Protocol, TypeVar

import httpx

from tests.races.wire import Wire

T = TypeVar("T")

_RECORD_USAGE = """
mutation Record($input: CreateUsageEventInput!) {
  recordUsage(input: $input) { recorded reason eventId duplicate consumption { used budget overageEnabled } }
}
"""


class RefusedError(Exception):
    """An error of ours came back, in the form that the door promises."""

    def __init__(self, name: str, code: str, status: int, detail: str) -> None:
        super().__init__(f"{status} {code} {name}: {detail}")
        self.name = name
        self.code = code
        self.status = status
        self.detail = detail


class Door(Protocol):
    """A way to record usage; the two doors differ in nothing else that matters here."""

    async def record(self, **fields: Any) -> dict[str, Any]:
        """recordUsage with these fields, camelCase; its answer. Raises RefusedError, httpx.TransportError."""


class Rest:
    """The REST door of one process."""

    def __init__(self, client: httpx.AsyncClient | Wire) -> None:
        self._client = client

    async def record(self, **fields: Any) -> dict[str, Any]:
        return await self.post("/v1/usage", fields)

    async def post(self, path: str, body: object = None) -> dict[str, Any]:
        return await self.call("POST", path, body)

    async def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Raises RefusedError for what is no success."""
        answer = await self._client.request(method, path, json=body)
        told: dict[str, Any] = answer.json()
        if not answer.is_success:
            assert answer.headers["content-type"] == "application/problem+json", answer.text
            raise RefusedError(told["name"], told["code"], answer.status_code, told["detail"])
        return told


class Graphql:
    """The GraphQL door of one process."""

    def __init__(self, client: httpx.AsyncClient | Wire) -> None:
        self._client = client

    async def record(self, **fields: Any) -> dict[str, Any]:
        answer = await self.execute(_RECORD_USAGE, {"input": fields})
        recorded: dict[str, Any] = answer["recordUsage"]
        return recorded

    async def execute(self, query: str, variables: object) -> dict[str, Any]:
        """The data. Raises RefusedError for the first error."""
        answer = await self._client.post("/graphql", json={"query": query, "variables": variables})
        told: dict[str, Any] = answer.json()
        if "errors" in told:
            extensions = told["errors"][0]["extensions"]
            detail = told["errors"][0]["message"]
            raise RefusedError(extensions["exception"]["name"], extensions["code"], answer.status_code, detail)
        data: dict[str, Any] = told["data"]
        return data


async def at_once(calls: Iterable[Awaitable[T]], *, most: int = 64) -> list[T | RefusedError]:
    """All the calls, `most` of them under way at any moment; answers and refusals in the order of the calls."""
    room = asyncio.Semaphore(most)

    async def outcome(call: Awaitable[T]) -> T | RefusedError:
        async with room:
            try:
                return await call
            except RefusedError as refused:
                return refused

    return await asyncio.gather(*map(outcome, calls))


def answered(outcomes: Iterable[T | RefusedError]) -> list[T]:
    """Those that are no refusal."""
    return [outcome for outcome in outcomes if not isinstance(outcome, RefusedError)]


def refused(outcomes: Iterable[object]) -> list[RefusedError]:
    """Those that are."""
    return [outcome for outcome in outcomes if isinstance(outcome, RefusedError)]
