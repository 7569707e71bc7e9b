"""Problem details (RFC 9457): what an error looks like at this door.

Two tables say it all: `KINDS` for the errors of `app/errors.py`, `HTTP_KINDS` for what only HTTP knows. Whatever is in neither
is a fault of ours: logged with its traceback under the request id, answered as INTERNAL_SERVER_ERROR without a word about it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap
from msgspec import UNSET, UnsetType

from app import errors, logs
from app.contract.shapes import View
from app.edge.middleware import BodyCutShortError
from app.errors import CallerError, InvalidInputError, MeterlineError

PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEMS_PAGE = "/docs/problems"
# Enough for a batch to come back or a restart to finish; a client that waits so long does not add to what slows us.
RETRY_AFTER_SECONDS = 1
# Details repeat what was sent, which can be as long as a body.
DETAIL_CHARACTERS = 500

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its status, a title that never varies, and what it means to whoever reads the documentation."""

    status: int
    title: str
    meaning: str


KINDS: Final[Mapping[type[MeterlineError], Kind]] = {
    errors.InvalidInputError: Kind(422, "Invalid input", "A value breaks a rule; `field` names it."),
    errors.FeatureNotFoundError: Kind(404, "Feature not found", "You have no feature with this id."),
    errors.PackageNotFoundError: Kind(404, "Package not found", "You have no package with this id."),
    errors.UserNotFoundError: Kind(404, "User not found", "You have no user with this id."),
    errors.SubscriptionNotFoundError: Kind(404, "Subscription not found", "You have no subscription with this id."),
    errors.UsageEventNotFoundError: Kind(404, "Usage event not found", "You have no usage event with this id."),
    errors.ReservationNotFoundError: Kind(404, "Reservation not found", "You have no reservation with this id."),
    errors.WebhookEndpointNotFoundError: Kind(
        404, "Webhook endpoint not found", "You have no webhook endpoint with this id."
    ),
    errors.WebhookDeliveryNotFoundError: Kind(
        404, "Webhook delivery not found", "You have no webhook delivery with this id."
    ),
    errors.BillingTemplateNotFoundError: Kind(
        404, "Billing template not found", "You have no billing template with this id."
    ),
    errors.SubscriptionLinkNotFoundError: Kind(
        404, "Subscription link not found", "You have no subscription link with this id."
    ),
    errors.AlreadyExistsError: Kind(409, "Already exists", "The id is taken."),
    errors.InUseError: Kind(409, "In use", "Something else still needs what should be deleted or changed."),
    errors.PackageStatusError: Kind(409, "Wrong package status", "A package is not in the status that the call needs."),
    errors.SubscriptionError: Kind(
        409, "Subscription not possible", "The rules for base packages, add-ons and cancelled subscriptions forbid it."
    ),
    errors.IdempotencyConflictError: Kind(
        409, "Idempotency key used before", "The same idempotency key was used for another content. Nothing was done."
    ),
    errors.RevertError: Kind(409, "Nothing to revert", "The event was refused, or is itself a taking back."),
    errors.ReservationError: Kind(
        409, "Reservation not open", "It was settled or released before, or its time was up."
    ),
    errors.SubscriptionLinkError: Kind(
        409, "Link not possible", "There is no such billing template, it is not on sale, or Stripe refuses it."
    ),
    errors.PortalLinkError: Kind(
        409, "Portal not possible", "The user is no customer of the payment provider's, or Stripe refuses it."
    ),
    errors.WebhookError: Kind(
        409,
        "Webhook not possible",
        "There are as many endpoints as there can be, the endpoint is disabled, or the webhook is on its way already.",
    ),
    errors.AuthenticationError: Kind(401, "Unauthenticated", "The secret key is missing, wrong, or of the wrong kind."),
    errors.OverloadedError: Kind(
        503,
        "Overloaded",
        "Busy or away: the same call may work after `Retry-After`. It may even have worked, if the database went away at its "
        "very end, so repeat calls that count usage with the same idempotency key.",
    ),
    # The branches, so that a class that is new and has no row yet is answered as its parent would be.
    errors.NotFoundError: Kind(404, "Not found", "You have nothing with this id."),
    errors.ConflictError: Kind(409, "Conflict", "The call is well formed, but the present state forbids it."),
    errors.CallerError: Kind(422, "Not possible", "The call must change before it can work."),
}

HTTP_KINDS: Final[Mapping[str, Kind]] = {
    "MalformedRequestError": Kind(400, "Malformed request", "The body is not JSON, or the request not HTTP."),
    "RouteNotFoundError": Kind(404, "No such path", "There is nothing at this path."),
    "MethodNotAllowedError": Kind(405, "Method not allowed", "The path exists, but not for this method: see `Allow`."),
    "BodyTooLargeError": Kind(413, "Body too large", "The body has more bytes than the server accepts."),
    "UnsupportedMediaTypeError": Kind(415, "Unsupported media type", "The body must be declared as application/json."),
}
FAULT_NAME = "InternalServerError"
FAULT = Kind(
    500, "Internal server error", "A fault of ours. Tell us the `requestId`: the log has the details under it."
)

_HTTP_NAMES = {kind.status: name for name, kind in HTTP_KINDS.items()}
_REQUIRED_PARAMETER = re.compile(r"^Missing required \w+ parameter '(?P<name>[^']+)'")


class Problem(View):
    """Why a call did not work. `code` is for programs and the same as in GraphQL, `name` says which error it is."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    name: str
    request_id: str
    field: str | UnsetType = UNSET


class MalformedRequest(HTTPException):
    """The body cannot be read at all, so no field can be named."""

    status_code = 400


class UnsupportedMediaType(HTTPException):
    status_code = 415


def kind_of(error: type[MeterlineError]) -> Kind:
    """The row of the error's class or of its nearest parent; `FAULT` when there is none."""
    return next((KINDS[parent] for parent in error.__mro__ if parent in KINDS), FAULT)


def answer_error(request: Request[Any, Any, Any], error: MeterlineError) -> Response[bytes]:
    """The problem document for an error of `app/errors.py`."""
    kind = kind_of(type(error))
    if kind is FAULT:
        return answer_fault(request, error)
    headers = {}
    if isinstance(error, errors.AuthenticationError):
        headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, errors.OverloadedError):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    field = error.field if isinstance(error, InvalidInputError) else UNSET
    return _problem(kind, name=error.name, code=error.code, detail=error.message, field=field, headers=headers)


def answer_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """The problem document for what the framework refuses, in our words."""
    name = _HTTP_NAMES.get(error.status_code)
    if name is None:
        return answer_fault(request, error)
    kind = HTTP_KINDS[name]
    told = isinstance(error, MalformedRequest | UnsupportedMediaType | BodyCutShortError)
    detail = error.detail if told else kind.meaning
    return _problem(kind, name=name, code=CallerError.code, detail=detail, headers=error.headers or {})


def answer_bad_parameter(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """The framework's refusal of a query or header value, as the same `InvalidInputError` that a bad field in a body gives."""
    return _answer_first(request, error.extra) or answer_error(request, _missing_parameter(error.detail))


def answer_fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Logged whole, answered with nothing but the request id to find it by."""
    request_id = _request_id()
    # The path's template, as in the edge's log line: the path itself could hold a user's email as an id.
    path = request.scope.get("path_template") or "unmatched"
    log.error("rest.failed", method=request.method, path=path, request_id=request_id, exc_info=error)
    return _problem(
        FAULT,
        name=FAULT_NAME,
        code=MeterlineError.code,
        detail="The server failed. Nothing about it can be said here; the log has it under the request id.",
        request_id=request_id,
    )


def _answer_first(request: Request[Any, Any, Any], extra: Any) -> Response[bytes] | None:
    for refusal in extra or ():
        field, problem = refusal.get("key", "query"), refusal["message"]
        if field == "data":
            # Only an empty body gets here: a full one has been read by `JsonBody`, which raises our own errors.
            return answer_http_error(request, MalformedRequest("body: must be a JSON object, is empty"))
        return answer_error(request, InvalidInputError(_outside_name(field), problem))
    return None


def _missing_parameter(detail: str) -> InvalidInputError:
    found = _REQUIRED_PARAMETER.match(detail)
    return InvalidInputError(found["name"] if found else "query", "is required")


def _outside_name(name: str) -> str:
    """`starting_after` as it is called outside."""
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)


def _problem(
    kind: Kind,
    *,
    name: str,
    code: str,
    detail: str,
    field: str | UnsetType = UNSET,
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
) -> Response[bytes]:
    problem = Problem(
        type=f"{PROBLEMS_PAGE}#{name}",
        title=kind.title,
        status=kind.status,
        detail=_shortened(detail),
        code=code,
        name=name,
        request_id=request_id or _request_id(),
        field=_shortened(field) if isinstance(field, str) else field,
    )
    return Response(
        msgspec.json.encode(problem),
        status_code=kind.status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def _shortened(text: str) -> str:
    return text if len(text) <= DETAIL_CHARACTERS else text[: DETAIL_CHARACTERS - 1] + "…"


def _request_id() -> str:
    """The id that the edge gave the request and that every log line carries; a new one where no edge is (in a bare app)."""
    return logs.request_id.get() or uuid4().hex


rest_exception_handlers: Final[ExceptionHandlersMap] = {
    MeterlineError: answer_error,
    ValidationException: answer_bad_parameter,
    HTTPException: answer_http_error,
    Exception: answer_fault,
}
