"""Requests and answers as the server's own messages, for the few calls that are too frequent to go through a framework."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import HTTPReceiveMessage, Receive, Scope, Send, WebSocketReceiveMessage

from app.edge.middleware import BodyCutShortError

Headers = Mapping[bytes, bytes]

_PLAIN_HOST: Final = re.compile(rb"[\w.:\[\]-]*", re.ASCII)


def headers_of(scope: Scope) -> Headers:
    """The request's headers by their names in lower case; of several with one name the first, as the framework reads them."""
    return dict(reversed(list(scope["headers"])))


def has_one_of_each(headers: Headers, scope: Scope) -> bool:
    """Whether no header was sent twice."""
    return len(headers) == len(list(scope["headers"]))


def has_plain_host(headers: Headers) -> bool:
    """Whether `Host` is one that nobody needs to look at twice. The framework refuses odd ones."""
    return _PLAIN_HOST.fullmatch(headers.get(b"host", b"")) is not None


class Body:
    """The body of a request. Whoever has read it can still leave the request to another, who then has `again` to receive it."""

    def __init__(self, headers: Headers, receive: Receive) -> None:
        # Of a body in chunks a length says nothing.
        self._announced = b"" if b"transfer-encoding" in headers else headers.get(b"content-length", b"")
        self._receive = receive
        self._read: list[HTTPReceiveMessage | WebSocketReceiveMessage] = []

    async def read(self, *, bytes_max: int) -> bytes:
        """
        Raises:
            RequestEntityTooLarge: it has, or is announced to have, more than `bytes_max`; the rest of it is left unread.
            BodyCutShortError: the caller went away before the end.
        """
        announced = int(self._announced) if self._announced.isdigit() else None
        if announced is not None and announced > bytes_max:
            raise RequestEntityTooLarge
        parts: list[bytes] = []
        length = 0
        while True:
            message = await self._receive()
            self._read.append(message)
            if message["type"] != "http.request":
                raise BodyCutShortError
            part = message.get("body", b"")
            parts.append(part)
            length += len(part)
            if length > bytes_max:
                raise RequestEntityTooLarge
            # A server that has handed over all that was announced has a last, empty message to say so. To wait for that
            # costs another turn through its threads.
            if length == announced or not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def again(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        """`receive` for whoever comes next: what was read, from its beginning, and then the rest."""
        return self._read.pop(0) if self._read else await self._receive()


async def send_answer(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    """The whole answer, with its length after the other headers."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
