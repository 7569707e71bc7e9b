"""Parameters that several operations share, and the refusal of those that nobody knows."""

from functools import cache
from typing import Annotated, Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import PathParameter, QueryParameter

from app.contract.shapes import PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX, PageRequest
from app.domain.values import INT32_MAX
from app.errors import InvalidInputError

KEY_HEADER = "Idempotency-Key"

FeatureId = Annotated[str, PathParameter(name="featureId", description="The feature's id, percent-encoded.")]
PackageId = Annotated[str, PathParameter(name="packageId", description="The package's id, percent-encoded.")]
UserId = Annotated[str, PathParameter(name="userId", description="The user's id, percent-encoded.")]
EventId = Annotated[str, PathParameter(name="eventId", description="The usage event's id.")]
ReservationId = Annotated[str, PathParameter(name="reservationId", description="The reservation's id.")]
SubscriptionId = Annotated[str, PathParameter(name="subscriptionId", description="The subscription's id.")]
BillingTemplateId = Annotated[
    str, PathParameter(name="billingTemplateId", description="The billing template's id, percent-encoded.")
]
SubscriptionLinkId = Annotated[str, PathParameter(name="subscriptionLinkId", description="The subscription link's id.")]
WebhookEndpointId = Annotated[str, PathParameter(name="webhookEndpointId", description="The webhook endpoint's id.")]
WebhookDeliveryId = Annotated[str, PathParameter(name="webhookDeliveryId", description="The webhook delivery's id.")]
OfUser = Annotated[str, QueryParameter(name="userId", description="The user's id.")]
OfFeature = Annotated[str, QueryParameter(name="featureId", description="The feature's id.")]
Delta = Annotated[
    int,
    QueryParameter(
        name="delta", description="How much they want to use.", schema_extra={"minimum": 1, "maximum": INT32_MAX}
    ),
]


async def page_request(
    # The bounds are told here and kept by PageRequest, whose words are the same at both doors.
    limit: Annotated[
        int,
        QueryParameter(
            name="limit",
            description="At most so many.",
            schema_extra={"minimum": 1, "maximum": PAGE_LIMIT_MAX},
        ),
    ] = PAGE_LIMIT_DEFAULT,
    starting_after: Annotated[
        str | None,
        QueryParameter(name="startingAfter", description="Those after the item with this id: the last one you have."),
    ] = None,
) -> PageRequest:
    """The dependency `page` of every list, from `limit` and `startingAfter`."""
    return PageRequest(limit=limit, starting_after=starting_after)


async def refuse_unknown_parameters(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard. A misspelt `startingafter` would start the list anew in silence, and a caller would loop on the first page.

    Async though it awaits nothing: the framework would send a plain function through a thread, for a quarter of the call's cost.

    Raises:
        InvalidInputError: a parameter that the operation does not have, or one given twice; two idempotency keys.
    """
    known = _query_parameters(handler)
    for name, values in connection.query_params.dict().items():
        if name not in known:
            raise InvalidInputError(name, f"is not a query parameter here; known: {', '.join(sorted(known)) or 'none'}")
        if len(values) > 1:
            raise InvalidInputError(name, "must be given at most once")
    # Of two keys the first would be taken in silence, and a repeat that has them the other way round would count again.
    if len(connection.headers.getall(KEY_HEADER, [])) > 1:
        raise InvalidInputError(KEY_HEADER, "must be given at most once")


@cache
def _query_parameters(handler: BaseRouteHandler) -> frozenset[str]:
    signatures = [handler.parsed_fn_signature]
    signatures += [
        provided.parsed_fn_signature
        for name, provided in handler.resolve_dependencies().items()
        if name in handler.parsed_fn_signature.parameters
    ]
    return frozenset(
        field.kwarg_definition.name
        for signature in signatures
        for field in signature.parameters.values()
        if isinstance(field.kwarg_definition, QueryParameter) and field.kwarg_definition.name
    )
