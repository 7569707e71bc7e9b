"""Which problems an operation may answer with, as the OpenAPI document tells it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar.openapi import ResponseSpec

from app.errors import CallerError, InvalidInputError, MeterlineError
from app.rest.errors import (
    FAULT,
    FAULT_NAME,
    HTTP_KINDS,
    KINDS,
    PROBLEM_MEDIA_TYPE,
    PROBLEMS_PAGE,
    RETRY_AFTER_SECONDS,
    Kind,
    Problem,
)

_ALWAYS = (401, 422, 500, 503)
_WITH_BODY = (400, 413, 415)
_ITS_OWN = (404, 409)
_HEADERS: Final[Mapping[int, dict[str, Any]]] = {
    401: {"WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}},
    503: {"Retry-After": {"description": "In seconds.", "schema": {"type": "integer"}, "example": RETRY_AFTER_SECONDS}},
}


def read_problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The problems of an operation without a body: its own statuses, and those that any call may meet."""
    return {
        status: ResponseSpec(data_container=Problem, generate_examples=False, media_type=PROBLEM_MEDIA_TYPE)
        for status in sorted({*_ALWAYS, *statuses})
    }


def write_problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The problems of an operation that takes a body."""
    return read_problems(*_WITH_BODY, *statuses)


def problem_responses() -> dict[str, dict[str, Any]]:
    """The document's `components.responses`: one for each status, with an example of each error behind it."""
    examples = {name: _example(name, kind, code) for name, (kind, code) in all_problems().items()}
    statuses = sorted({*_ALWAYS, *_WITH_BODY, *_ITS_OWN})
    return {
        response_name(status): _response(status, [one for one in examples.values() if one.status == status])
        for status in statuses
    }


def response_name(status: int) -> str:
    return f"Problem{status}"


def all_problems() -> dict[str, tuple[Kind, str]]:
    """Every error by its name, with its kind and code: those of the table that stand for themselves, HTTP's, and the fault."""
    found = {error.__name__: (kind, error.code) for error, kind in KINDS.items() if not error.__subclasses__()}
    found |= {name: (kind, CallerError.code) for name, kind in HTTP_KINDS.items()}
    return found | {FAULT_NAME: (FAULT, MeterlineError.code)}


def _response(status: int, problems: list[Problem]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": "; ".join(problem.title for problem in problems) + ".",
        "content": {
            PROBLEM_MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {one.name: {"summary": one.title, "value": msgspec.to_builtins(one)} for one in problems},
            }
        },
    }
    return response | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def _example(name: str, kind: Kind, code: str) -> Problem:
    problem = Problem(
        type=f"{PROBLEMS_PAGE}#{name}",
        title=kind.title,
        status=kind.status,
        detail=kind.meaning,
        code=code,
        name=name,
        request_id="0f4c8a7d2b9e4c61a3d5e8f7b6c9d012",
    )
    if name == InvalidInputError.__name__:
        problem.field, problem.detail = "delta", "delta: must be between -2147483647 and 2147483647, is 2147483648"
    return problem
