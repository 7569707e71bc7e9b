"""Requests as a server hands them to the application, message by message: what a client library would not let through."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote_to_bytes

from litestar import Litestar

Header = tuple[bytes, bytes]
Headers = list[Header]


@dataclass(frozen=True)
class Request:
    """`path` is as sent, with its query. `pieces` are the body's, the last without a successor unless `cut_short`."""

    method: str
    path: str
    headers: Headers = field(default_factory=list)
    pieces: tuple[bytes, ...] = (b"",)
    cut_short: bool = False

    def with_default(self, *headers: Header) -> "Request":
        """These headers as well, but for those of a name that is there already."""
        given = {name for name, _ in self.headers}
        return replace(self, headers=[*self.headers, *(header for header in headers if header[0] not in given)])

    def replacing(self, **words: str) -> "Request":
        """The same with these words replaced in the headers' values; headers without a value are not sent."""
        headers = [(name, value) for name, value in self.headers if value or name == b"idempotency-key"]
        for word, text in words.items():
            headers = [(name, value.replace(word.encode(), text.encode())) for name, value in headers]
        return replace(self, headers=headers)

    def scope(self) -> dict[str, Any]:
        raw_path, _, query = self.path.encode("latin-1").partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": _unquoted(raw_path),
            "raw_path": raw_path,
            "root_path": "",
            "query_string": query,
            "headers": self.headers,
            "client": ("127.0.0.1", 1),
            "server": ("meterline.test", 80),
        }

    def messages(self) -> list[dict[str, Any]]:
        last = len(self.pieces) - 1
        return [
            {"type": "http.request", "body": piece, "more_body": self.cut_short or number < last}
            for number, piece in enumerate(self.pieces)
        ]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    body: bytes


async def answer_to(app: Litestar, request: Request) -> Answer:
    """The whole answer."""
    messages = request.messages()
    sent: list[Any] = []

    async def receive() -> Any:
        if messages:
            return messages.pop(0)
        if not request.cut_short:
            await asyncio.Event().wait()  # whoever sent it all stays for the answer
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(request.scope(), receive, send)  # type: ignore[arg-type]
    return Answer(sent[0]["status"], sent[0]["headers"], b"".join(message.get("body", b"") for message in sent[1:]))


def _unquoted(raw_path: bytes) -> str:
    # As servers do it: decoded, and what is not UTF-8 made to fit.
    return unquote_to_bytes(raw_path).decode("utf-8", errors="replace")
