"""Load over HTTP: a fixed number of clients, each with one connection, one request after the other, for a bounded time.

One thread, sockets and epoll, no asyncio and no HTTP library: the load runs on the same cores as the servers that it measures, so
whatever it costs is taken from them. A request costs it one send, one receive and a search (docs/benchmarks.md has figures).
"""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from urllib.parse import urlsplit

from tests.benchmarks.samples import Sample, sample_of

_ANSWER_SECONDS = 30.0
_CHUNK_BYTES = 262_144


class UnexpectedAnswerError(Exception):
    """An answer that is not the one the scenario is about: its rate would mean nothing."""


class _Client:
    """One connection. `expected` is what every answer must contain."""

    def __init__(self, connection: socket.socket, expected: bytes) -> None:
        self.connection = connection
        self._expected = expected
        self._sent_at = 0.0
        self._received = b""

    def send(self, request: bytes) -> None:
        self._sent_at = time.perf_counter()
        self.connection.sendall(request)

    def receive(self) -> float | None:
        """The seconds that the answer took, once all of it is here.

        Raises:
            UnexpectedAnswerError: it is another answer, or the server hung up.
        """
        chunk = self.connection.recv(_CHUNK_BYTES)
        self._received = answer = self._received + chunk if self._received else chunk
        if not chunk:
            raise UnexpectedAnswerError("the server closed the connection")
        if not _is_complete(answer):
            return None
        took = time.perf_counter() - self._sent_at
        if self._expected not in answer:
            raise UnexpectedAnswerError(answer[-600:].decode(errors="replace"))
        self._received = b""
        return took


def run_load(url: str, clients: int, seconds: float, requests: Iterator[bytes], expected: bytes) -> Sample:
    """Run `clients` clients for `seconds`, then wait for the answers that are still due. Every one must contain `expected`.

    Raises:
        UnexpectedAnswerError: one did not.
    """
    with ExitStack() as opened, selectors.DefaultSelector() as selector:
        waiting = [_Client(connection, expected) for connection in _connections(url, clients, opened)]
        for client in waiting:
            selector.register(client.connection, selectors.EVENT_READ, client)
        began, cpu_began = time.perf_counter(), time.process_time()
        for client in waiting:
            client.send(next(requests))
        durations = _until(began + seconds, selector, clients, requests)
        taken, cpu_taken = time.perf_counter() - began, time.process_time() - cpu_began
    return sample_of(durations, taken, load_cpu_seconds=cpu_taken)


def answer_to(url: str, request: bytes) -> bytes:
    """One answer, head and body."""
    with ExitStack() as opened:
        (connection,) = _connections(url, 1, opened)
        connection.sendall(request)
        answer = b""
        while not _is_complete(answer) and (chunk := connection.recv(_CHUNK_BYTES)):
            answer += chunk
    return answer


def _until(
    deadline: float, selector: selectors.BaseSelector, under_way: int, requests: Iterator[bytes]
) -> Sequence[float]:
    durations: list[float] = []
    while under_way:
        ready = selector.select(_ANSWER_SECONDS)
        if not ready:
            raise UnexpectedAnswerError(f"{under_way} answers did not come within {_ANSWER_SECONDS:.0f} s")
        for key, _ in ready:
            client: _Client = key.data
            took = client.receive()
            if took is None:
                continue
            durations.append(took)
            if time.perf_counter() < deadline:
                client.send(next(requests))
            else:
                under_way -= 1
    return durations


def _connections(url: str, count: int, opened: ExitStack) -> list[socket.socket]:
    address = urlsplit(url)
    connections = []
    for _ in range(count):
        connection = opened.enter_context(
            socket.create_connection((address.hostname or "", address.port or 80), timeout=_ANSWER_SECONDS)
        )
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections.append(connection)
    return connections


def _is_complete(answer: bytes) -> bool:
    head_end = answer.find(b"\r\n\r\n")
    if head_end < 0:
        return False
    _, found, rest = answer[:head_end].lower().partition(b"\r\ncontent-length:")
    if not found:
        raise UnexpectedAnswerError(f"an answer without a length: {answer[:300].decode(errors='replace')}")
    return len(answer) >= head_end + 4 + int(rest.partition(b"\r\n")[0])
