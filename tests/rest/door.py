"""A client of the REST door, with the few calls that most stories begin with."""

from typing import Any

import httpx
from litestar import Litestar


class Door(httpx.AsyncClient):
    async def made(self, path: str, **body: Any) -> dict[str, Any]:
        """What POST answers, which must succeed."""
        answer = await self.post(path, json=body)
        assert answer.is_success, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def total(self, path: str, **query: str) -> int:
        """How many there are in a list."""
        return len((await self.get(path, params={"limit": "100", **query})).json()["data"])

    async def sell(self, package_id: str, *features: dict[str, Any], **package: Any) -> None:
        """A published package."""
        await self.made("/v1/packages", id=package_id, features=list(features), **package)
        await self.made(f"/v1/packages/{package_id}/publish")


def api_calls(limit: int | None = 3) -> dict[str, Any]:
    """The terms of the feature `api-calls` in a package."""
    return {"id": "api-calls", "entitlement": {"limit": limit, "resetPeriod": "MONTH"}}


def door(app: Litestar, authorization: str | None) -> Door:
    headers = {"Authorization": authorization} if authorization else {}
    return Door(transport=httpx.ASGITransport(app), base_url="http://meterline.test", headers=headers)
