"""The one table from what went wrong to what a GraphQL caller reads.

| raised                                            | extensions.code       | extensions.exception.name        |
| ------------------------------------------------- | --------------------- | -------------------------------- |
| the text is not GraphQL                           | BAD_USER_INPUT        | GraphQLSyntaxError               |
| a rule of the specification, a type that is wrong | BAD_USER_INPUT        | GraphQLValidationError           |
| a document over one of the gate's limits          | BAD_USER_INPUT        | GraphQLLimitError                |
| a variable's or an argument's value               | BAD_USER_INPUT        | GraphQLCoercionError             |
| an operationName the document does not have       | BAD_USER_INPUT        | UnknownOperationError            |
| the body or its members (see `controller`)        | BAD_USER_INPUT        | InvalidInputError, with `field`  |
| `CallerError` and its subclasses                  | BAD_USER_INPUT        | the class's name                 |
| `AuthenticationError`                             | UNAUTHENTICATED       | AuthenticationError              |
| `OverloadedError`                                 | OVERLOADED            | OverloadedError                  |
| anything else                                     | INTERNAL_SERVER_ERROR | InternalServerError, `requestId` |

A fault of ours is logged with its traceback and the request id; the caller gets the id and nothing else of it.
"""

import re
from contextvars import ContextVar
from typing import Any

import structlog
from tartiflette.types.exceptions.tartiflette import CoercionError, GraphQLSyntaxError, TartifletteError

from app.errors import AuthenticationError, CallerError, InvalidInputError, MeterlineError, OverloadedError
from app.graphql.refusals import DocumentRefusedError, VariableRefusedError

MESSAGE_CHARACTERS = 500
ERRORS_PER_RESPONSE = 20

BAD_USER_INPUT = "BAD_USER_INPUT"
INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"

# Set around each execution: tartiflette's error coercer is given the error alone.
current_request_id: ContextVar[str] = ContextVar("graphql_request_id", default="none")

_logger = structlog.get_logger(__name__)
# libgraphqlparser puts the place in front: "1.9-11: syntax error, unexpected }".
_PARSER_MESSAGE = re.compile(r"(\d+)\.(\d+)(?:-[\d.]+)?: (?:syntax error, )?")
_OPERATION_MESSAGES = ("Unknown operation named", "Must provide operation name")
_TOLD_CLASSES = (CallerError, AuthenticationError, OverloadedError)


def told(error: MeterlineError) -> dict[str, Any]:
    """The error object for one of `app.errors`, without locations or path: for failures outside any document.

    A class that is none of the three told ones would be a fault, and reads as such.
    """
    if not isinstance(error, _TOLD_CLASSES):
        return fault(error)
    answer = _answer(error.message, error.code, error.name)
    if isinstance(error, InvalidInputError):
        answer["extensions"]["field"] = error.field
    return answer


def fault(error: BaseException) -> dict[str, Any]:
    """Logs what nobody expected, and returns the error object that says so without saying what."""
    request_id = current_request_id.get()
    _logger.error("graphql.fault", request_id=request_id, exc_info=error)
    answer = _answer("Internal server error", INTERNAL_SERVER_ERROR, "InternalServerError")
    answer["extensions"]["requestId"] = request_id
    return answer


async def coerce_error(exception: Exception, shown: dict[str, Any]) -> dict[str, Any]:
    """Tartiflette's `error_coercer`. Of `shown`, its own rendering, only the locations and the path are kept."""
    answer = _of_engine(exception)
    locations = shown.get("locations") or answer.pop("locations", None)
    if locations:
        answer["locations"] = locations
    if shown.get("path"):
        answer["path"] = shown["path"]
    return answer


def _of_engine(exception: Exception) -> dict[str, Any]:
    # Coercion errors first: they carry an `original_error` too, and taking that for the cause would make a user's
    # mistake our fault.
    if isinstance(exception, CoercionError | VariableRefusedError):
        return _answer(str(exception), BAD_USER_INPUT, "GraphQLCoercionError")
    original = getattr(exception, "original_error", None)
    if isinstance(original, MeterlineError):
        return told(original)
    if original is not None or not isinstance(exception, TartifletteError):
        return fault(original or exception)
    if isinstance(exception, GraphQLSyntaxError):
        return _syntax_error(exception)
    if isinstance(exception, DocumentRefusedError):
        return _answer(exception.message, BAD_USER_INPUT, "GraphQLLimitError")
    if exception.message.startswith(_OPERATION_MESSAGES):
        return _answer(exception.message, BAD_USER_INPUT, "UnknownOperationError")
    if exception.message.startswith(("Argument <", "Variable <")) and not exception.extensions:
        return _answer(exception.message, BAD_USER_INPUT, "GraphQLCoercionError")
    return _answer(exception.message, BAD_USER_INPUT, "GraphQLValidationError")


def _syntax_error(exception: GraphQLSyntaxError) -> dict[str, Any]:
    place = _PARSER_MESSAGE.match(exception.message)
    if place is None:
        return _answer(exception.message, BAD_USER_INPUT, "GraphQLSyntaxError")
    message = f"Syntax error: {exception.message[place.end() :]}"
    answer = _answer(message, BAD_USER_INPUT, "GraphQLSyntaxError")
    answer["locations"] = [{"line": int(place[1]), "column": int(place[2])}]
    return answer


def _answer(message: str, code: str, name: str) -> dict[str, Any]:
    message = message if len(message) <= MESSAGE_CHARACTERS else message[: MESSAGE_CHARACTERS - 1] + "…"
    return {"message": message, "extensions": {"code": code, "exception": {"name": name, "message": message}}}
