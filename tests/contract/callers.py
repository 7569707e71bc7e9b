"""A caller who uses both doors of the whole application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from litestar import Litestar


@asynccontextmanager
async def running(app: Litestar) -> AsyncIterator[None]:
    """The application between its start and its end. Both happen in one task, as its cancel scopes demand; pytest runs the
    two halves of a fixture in two.
    """
    started, ended = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await ended.wait()

    life = asyncio.create_task(live())
    start = asyncio.create_task(started.wait())
    await asyncio.wait({life, start}, return_when=asyncio.FIRST_COMPLETED)
    if life.done():
        start.cancel()
        await life
    yield
    ended.set()
    await life


class Caller:
    """Holds one tenant's secret key."""

    def __init__(self, app: Litestar, secret_key: str) -> None:
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://meterline.test", headers={"Authorization": secret_key}
        )

    async def graphql(self, document: str, variables: Any = None) -> dict[str, Any]:
        """The whole answer to one GraphQL request."""
        answer = await self.http.post("/graphql", json={"query": document, "variables": variables})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def data(self, document: str, variables: Any = None) -> dict[str, Any]:
        """The data of a GraphQL request, which must not have errors."""
        body = await self.graphql(document, variables)
        assert "errors" not in body, body
        data: dict[str, Any] = body["data"]
        return data

    async def refusal(self, document: str, variables: Any = None) -> dict[str, Any]:
        """The one error of a GraphQL request."""
        body = await self.graphql(document, variables)
        (error,) = body["errors"]
        refusal: dict[str, Any] = error
        return refusal

    async def rest(self, method: str, path: str, **body: Any) -> Any:
        """What a REST call answers, which must succeed."""
        answer = await self.http.request(method, f"/v1{path}", json=body or None)
        assert answer.is_success, answer.text
        return answer.json()
