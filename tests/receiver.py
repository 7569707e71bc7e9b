"""Somebody's endpoint: a real HTTP server on this machine that takes webhooks and answers as it is told to."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from standardwebhooks import Webhook


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> dict[str, Any]:
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded

    def verified(self, secret: str) -> dict[str, Any]:
        """The message, if it was signed with this secret and just now. Raises WebhookVerificationError."""
        message: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return message


Behaviour = Callable[[BaseHTTPRequestHandler, Received], None]


def answer(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    """Headers in Python's spelling: `retry_after`."""

    def behave(handler: BaseHTTPRequestHandler, _received: Received) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def hang_up(handler: BaseHTTPRequestHandler, _received: Received) -> None:
    """Not a byte of an answer."""
    handler.close_connection = True


@dataclass
class Receiver:
    """`behave` may be changed at any time. What waits, waits for `closing`."""

    url: str = ""
    behave: Behaviour = field(default_factory=lambda: answer(200))
    received: list[Received] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.received]

    def fall_asleep(self, _handler: BaseHTTPRequestHandler, _received: Received) -> None:
        """Say nothing until the end of the test."""
        self.closing.wait()

    def trickle_headers(self, handler: BaseHTTPRequestHandler, _received: Received) -> None:
        """Always a little more, and never all."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        self._trickle(handler)

    def trickle_body(self, handler: BaseHTTPRequestHandler, _received: Received) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        self._trickle(handler)

    def _trickle(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        try:
            while not self.closing.wait(0.02):
                handler.wfile.write(b"x")
        except OSError:  # the other side has gone
            return


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(self.path, headers, body)
            receiver.received.append(received)
            receiver.behave(self, received)

        def log_message(self, *_: Any) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
