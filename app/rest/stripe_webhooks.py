"""Where Stripe sends its webhooks: a door of its own, because the caller is known by a signature and not by a key."""

from typing import Any

from litestar import MediaType, Request, Response, post
from litestar.exceptions import NotFoundException

from app.edge.threads import in_thread
from app.rest.errors import MalformedRequest
from app.services.stripe_inbox import Receipt, take

PATH = "/webhooks/stripe"


@post(PATH, status_code=200, include_in_schema=False, media_type=MediaType.TEXT)
async def stripe_webhook(request: Request[Any, Any, Any]) -> Response[str]:
    """200 for everything that is Stripe's: what it is not told so, it sends again for three days."""
    # The raw bytes, for the signature is over them.
    receipt = await in_thread(take, await request.body(), request.headers.get("Stripe-Signature"))
    if receipt is Receipt.SWITCHED_OFF:
        raise NotFoundException
    if receipt is Receipt.REFUSED:
        raise MalformedRequest("Not signed by Stripe for us within the last five minutes.")
    return Response("", media_type=MediaType.TEXT)
