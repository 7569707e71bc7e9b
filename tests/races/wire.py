"""HTTP/1.1 as far as load needs it: httpx takes more of the machine than the servers do, and both run on the same cores."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

_TIMEOUT_SECONDS = 30.0
_Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Answer:
    """As much of httpx.Response as the doors look at."""

    status_code: int
    headers: dict[str, str]
    text: str

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300

    def json(self) -> Any:
        return json.loads(self.text)


class Wire:
    """What the doors need of a client: as many connections as there are calls under way, kept open for the next ones."""

    def __init__(self, url: str, secret_key: str) -> None:
        self._address = urlsplit(url)
        self._key = secret_key
        self._idle: list[_Line] = []

    async def post(self, path: str, *, json: object) -> Answer:
        return await self.request("POST", path, json=json)

    async def request(self, method: str, path: str, *, json: object = None) -> Answer:
        """
        Raises:
            httpx.TransportError: nobody listens, or the connection was lost, or no answer came in time.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await self._exchange(self._written(method, path, json))
        except (OSError, EOFError, TimeoutError) as lost:
            raise httpx.TransportError(repr(lost)) from lost

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        while self._idle:
            _, writer = self._idle.pop()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _written(self, method: str, path: str, value: object) -> bytes:
        body = b"" if value is None else json.dumps(value).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: races\r\nAuthorization: {self._key}\r\n"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async def _exchange(self, request: bytes) -> Answer:
        reader, writer = await self._line()
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await reader.readexactly(int(headers["content-length"]))
        except BaseException:
            writer.close()
            raise
        self._idle.append((reader, writer))
        return Answer(int(head[0].split()[1]), headers, body.decode())

    async def _line(self) -> _Line:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._address.hostname, self._address.port)
