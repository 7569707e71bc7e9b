"""Load over HTTP: a fixed number of clients, each with one connection, one request after the other, for a bounded time."""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit


class UnexpectedAnswerError(Exception):
    """An answer that is not the one the scenario is about: its rate would mean nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as bytes, and what must be in its answer's body."""

    head_and_body: bytes
    expected: bytes


@dataclass(frozen=True, slots=True)
class Result:
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def post(path: str, secret_key: str, body: bytes, expected: bytes) -> Request:
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {secret_key}\r\nContent-Type: application/json\r\n"
    return Request(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body, expected)


def get(path: str, secret_key: str, expected: bytes) -> Request:
    return Request(f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {secret_key}\r\n\r\n".encode(), expected)


async def load(url: str, clients: int, seconds: float, request_of: Callable[[int], Request]) -> Result:
    """Run `clients` clients for `seconds`; the n-th request of the run is `request_of(n)`.

    Raises:
        UnexpectedAnswerError: an answer without what its request expects.
    """
    address = urlsplit(url)
    numbers = iter(range(10**12))
    durations: list[float] = []
    began = time.perf_counter()
    deadline = began + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            while (sent_at := time.perf_counter()) < deadline:
                request = request_of(next(numbers))
                writer.write(request.head_and_body)
                body = await _read_body(reader)
                durations.append(time.perf_counter() - sent_at)
                if request.expected not in body:
                    raise UnexpectedAnswerError(body[:300].decode(errors="replace"))
        finally:
            writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    taken = time.perf_counter() - began
    cuts = statistics.quantiles(durations, n=100, method="inclusive")
    return Result(len(durations), taken, cuts[49] * 1000, cuts[98] * 1000)


async def _read_body(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    return await reader.readexactly(length)
