"""Who calls: every operation needs a secret key, before anything else about the call is looked at."""

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.middleware.authentication import AbstractAuthenticationMiddleware, AuthenticationResult

from app.contract.actors import Actor
from app.edge.auth import authenticate_admin


class AdminAuthentication(AbstractAuthenticationMiddleware):
    """Puts the actor on the connection. Raises AuthenticationError, which `errors.py` turns into a 401."""

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        actor = await authenticate_admin(connection.headers.get("authorization"))
        return AuthenticationResult(user=actor, auth=None)


async def authenticated_actor(request: Request[Any, Any, Any]) -> Actor:
    """The dependency `actor` of every handler."""
    actor: Actor = request.user
    return actor
