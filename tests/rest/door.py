"""Who stands before the REST door: tenants with their keys, and clients that hold one."""

import itertools
from dataclasses import dataclass
from typing import Any

import httpx
from litestar import Litestar

from app.contract.actors import Actor
from app.services import tenants

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Tenant:
    """A new customer of ours and its keys."""

    actor: Actor
    app_id: str
    secret_key: str
    public_key: str


class Door(httpx.AsyncClient):
    """A client with the tenant's secret key, and the few calls that most stories begin with."""

    async def made(self, path: str, **body: Any) -> dict[str, Any]:
        """What POST answers, which must succeed."""
        answer = await self.post(path, json=body)
        assert answer.is_success, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def total(self, path: str) -> int:
        """How many there are in a list."""
        return len((await self.get(path, params={"limit": 100})).json()["data"])

    async def sell(self, package_id: str, *features: dict[str, Any], **package: Any) -> None:
        """A published package."""
        await self.made("/v1/packages", id=package_id, features=list(features), **package)
        await self.made(f"/v1/packages/{package_id}/publish")


def api_calls(limit: int | None = 3) -> dict[str, Any]:
    """The terms of the feature `api-calls` in a package."""
    return {"id": "api-calls", "entitlement": {"limit": limit, "resetPeriod": "MONTH"}}


def new_tenant() -> Tenant:
    made, _ = tenants.create_app(f"acme-{next(_numbers)}")
    actor = tenants.authenticate_secret_key(made.secret_key)
    return Tenant(actor, made.app_id, made.secret_key, made.public_key)


def door(app: Litestar, authorization: str | None) -> Door:
    headers = {"Authorization": authorization} if authorization else {}
    return Door(transport=httpx.ASGITransport(app), base_url="http://meterline.test", headers=headers)
