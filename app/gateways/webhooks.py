"""Posting to a customer's endpoint. Whatever it does, it is over in time, and nothing of what it says is kept but the status."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from ssl import SSLCertVerificationError, SSLContext, SSLError
from typing import Final
from urllib.parse import urlsplit

import httpcore
import structlog

from app.gateways.webhook_network import AddressRefused, PublicNetwork

log = structlog.get_logger(__name__)

TOTAL_SECONDS: Final = 15.0
_ANSWER_MAX_BYTES: Final = 16 * 1024
_RETRY_AFTER_MAX_CHARACTERS: Final = 64

_PORTS: Final = {"https": 443, "http": 80}
_FAILURES: Final[Mapping[type[Exception], str]] = {
    AddressRefused: "The host has an address that is not on the public internet.",
    httpcore.TimeoutException: "The endpoint did not answer in time.",
    httpcore.ConnectError: "No connection could be made.",
    httpcore.NetworkError: "The connection broke.",
    httpcore.ProtocolError: "The endpoint did not answer in HTTP.",
}
_BAD_CERTIFICATE = "The endpoint's certificate is not valid."
_NO_TLS = "No secure connection could be made."


@dataclass(frozen=True, slots=True)
class Answer:
    """The status of an answer, or why there is none. `retry_after` is the header as it came."""

    status_code: int | None
    failure: str | None = None
    retry_after: str | None = None


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow_private: bool = False,
    total_seconds: float = TOTAL_SECONDS,
) -> Answer:
    """Send the body as it is. No redirect is followed and no proxy asked. It takes at most `total_seconds`, and what the system
    takes to look the host up.
    """
    deadline = time.monotonic() + total_seconds
    try:
        return _post(url, body, headers, PublicNetwork(deadline, allow_private=allow_private))
    except tuple(_FAILURES) as failure:
        return Answer(None, _told(failure))


def _post(url: str, body: bytes, headers: Mapping[str, str], network: PublicNetwork) -> Answer:
    parts = urlsplit(url)
    scheme, host = parts.scheme.encode(), (parts.hostname or "").encode()
    port = parts.port or _PORTS[parts.scheme]
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}".encode()
    connection = httpcore.HTTPConnection(
        origin=httpcore.Origin(scheme, host, port), ssl_context=_tls(), network_backend=network
    )
    address = httpcore.URL(scheme=scheme, host=host, port=port, target=target)
    sent = {"Host": parts.netloc, "Connection": "close", "Content-Length": str(len(body)), **headers}
    try:
        with connection.stream("POST", address, headers=list(sent.items()), content=body) as response:
            _throw_away(response)
            return Answer(response.status, retry_after=_header(response, b"retry-after"))
    finally:
        connection.close()


def _throw_away(response: httpcore.Response) -> None:
    """Some of the body, so that a usual server can finish. The status has been said: what comes of the rest does not matter."""
    read = 0
    with suppress(httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
        for chunk in response.iter_stream():
            read += len(chunk)
            if read >= _ANSWER_MAX_BYTES:
                return


def _header(response: httpcore.Response, name: bytes) -> str | None:
    value = next((value for key, value in response.headers if key.lower() == name), None)
    return None if value is None else value[:_RETRY_AFTER_MAX_CHARACTERS].decode("ascii", errors="replace")


def _told(failure: Exception) -> str:
    """In our own words: the library's may hold addresses."""
    cause = failure.__cause__
    if isinstance(cause, SSLCertVerificationError):
        return _BAD_CERTIFICATE
    if isinstance(failure, httpcore.ConnectError) and isinstance(cause, SSLError):
        return _NO_TLS
    return next(words for kind, words in _FAILURES.items() if isinstance(failure, kind))


@cache
def _tls() -> SSLContext:
    """The system's authorities and the usual ones. Made once: to read them takes longer than most requests."""
    return httpcore.default_ssl_context()
