"""The REST door, whole: `/v1` with everything that all of its operations share."""

from typing import Any

from litestar import Response, Router
from litestar.di import Provide

from app.rest.authentication import AdminAuthentication, authenticated_actor
from app.rest.billing import BillingTemplates, SubscriptionLinks
from app.rest.bodies import JsonBody
from app.rest.errors import rest_exception_handlers
from app.rest.explanations import Explanations
from app.rest.features import Features
from app.rest.packages import Packages
from app.rest.parameters import page_request, refuse_unknown_parameters
from app.rest.paths import PREFIX, DecodedPathParameters
from app.rest.reservations import Reservations
from app.rest.subscriptions import Subscriptions
from app.rest.usage import Access, Usage
from app.rest.usage_history import UsageHistory
from app.rest.users import Users
from app.rest.webhooks import WebhookDeliveries, WebhookEndpoints
from app.settings import settings


def rest_router() -> Router:
    """A new router each time, because the framework ties a router to the one app that it is given to."""
    return Router(
        path=PREFIX,
        route_handlers=[
            Features,
            Packages,
            Users,
            Subscriptions,
            Usage,
            Access,
            UsageHistory,
            Explanations,
            Reservations,
            BillingTemplates,
            SubscriptionLinks,
            WebhookEndpoints,
            WebhookDeliveries,
        ],
        # Who calls is asked first: a stranger learns nothing about paths, parameters or bodies.
        middleware=[AdminAuthentication, DecodedPathParameters()],
        guards=[refuse_unknown_parameters],
        dependencies={
            "actor": Provide(authenticated_actor),
            "page": Provide(page_request),
        },
        dto=JsonBody,
        return_dto=None,
        exception_handlers=rest_exception_handlers,
        after_request=_not_stored,
        request_max_body_size=settings().max_body_bytes,
    )


async def _not_stored(response: Response[Any]) -> Response[Any]:
    """Answers are for the holder of a secret key, and true only now: no cache may keep them."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response
