"""The envelope of a GraphQL request: what a body must hold before anybody looks at the query."""

from dataclasses import dataclass
from typing import Any

import msgspec

from app.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Request:
    """`variables` may still be the JSON text that Kana's documents show; `compat` reads it."""

    query: str
    variables: dict[str, Any] | str | None = None
    operation_name: str | None = None


def read_request(body: bytes) -> Request:
    """The request in a body, whatever its content type says. Members that GraphQL does not know are ignored, as its
    specification asks.

    Raises:
        InvalidInputError: no JSON object, or a member of the wrong type; it names the member.
    """
    envelope = decode_json("body", body)
    if isinstance(envelope, list):
        raise InvalidInputError("body", "is a list; batches are not supported, send one request at a time")
    if not isinstance(envelope, dict):
        raise InvalidInputError("body", "must be a JSON object with `query`")
    query = envelope.get("query")
    if not isinstance(query, str):
        raise InvalidInputError("query", "is required and must be a string")
    variables = envelope.get("variables")
    if not isinstance(variables, dict | str | None):
        raise InvalidInputError("variables", "must be an object, or a string that holds one as JSON")
    operation_name = envelope.get("operationName")
    if not isinstance(operation_name, str | None):
        raise InvalidInputError("operationName", "must be a string")
    return Request(query, variables, operation_name)


def decode_json(field: str, text: bytes | str) -> Any:
    """Decoded JSON.

    Raises:
        InvalidInputError: not JSON, not UTF-8, or nested beyond all use; it says where.
    """
    try:
        return msgspec.json.decode(text)
    except RecursionError as error:
        raise InvalidInputError(field, "is nested too deep") from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidInputError(field, f"is not valid JSON ({error})") from error
