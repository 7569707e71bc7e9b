"""Stripe's errors, as it words them."""

from typing import Any


class ProblemError(Exception):
    """An answer that is an error. `headers` go with it."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self._error = {"type": kind, "message": message, "code": code, "param": param}

    def body(self) -> dict[str, Any]:
        """What goes over the wire; what there is nothing to say of is left out."""
        return {"error": {name: value for name, value in self._error.items() if value is not None}}


def no_such(kind: str, object_id: str, param: str | None = None) -> ProblemError:
    """An id that there is nothing behind: in the path it is a 404, in a parameter a 400 that names it."""
    return ProblemError(
        f"No such {kind}: '{object_id}'",
        status=400 if param else 404,
        code="resource_missing",
        param=param or "id",
    )


def unknown_parameter(param: str) -> ProblemError:
    """One that Stripe refuses, or that the double does not have."""
    return ProblemError(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


def missing_parameter(param: str) -> ProblemError:
    """One that the call cannot do without."""
    return ProblemError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def bad_parameter(message: str, param: str, code: str | None = None) -> ProblemError:
    """A value that does not fit, or forbids another."""
    return ProblemError(message, code=code, param=param)
