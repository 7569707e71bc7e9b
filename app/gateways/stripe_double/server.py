"""The double's HTTP server: a thread for each connection, ready in some milliseconds."""

import http
import json
import socket
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from app.gateways.stripe_double import pages
from app.gateways.stripe_double.api import Answer, Request
from app.gateways.stripe_double.control import control
from app.gateways.stripe_double.deliveries import USUAL_RETRIES
from app.gateways.stripe_double.problems import ProblemError
from app.gateways.stripe_double.world import World

_CONTROL = "/_double"
_LARGEST_BODY = 1_000_000
# How long a stop may take to be noticed.
_POLL_SECONDS = 0.02


class StripeDouble:
    """A Stripe on this machine. `url` is what STRIPE_API_BASE shall be; `world` is everything that no API moves.

    `port` 0 takes a free one. `kept_in`: a file that keeps the state over a restart. `retries`: seconds before each further try
    of a webhook that nobody took. `clock`: in Unix seconds, where it is another than the real one.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        kept_in: Path | None = None,
        retries: Sequence[float] = USUAL_RETRIES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.world = World(kept_in=kept_in, retries=retries, clock=clock)
        self._server = _Server((host, port), self.world)
        self.port = self._server.server_port
        # Where a browser finds the pages. 0.0.0.0 is nowhere to go to.
        self.url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{self.port}"  # noqa: S104 — compared, not bound
        self.world.account.base = self.url
        self._thread = Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="stripe-double", daemon=True
        )

    def start(self) -> Self:
        """Answer requests and send webhooks, in threads of their own."""
        self.world.deliveries.start()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self.world.deliveries.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Threads of connections that are kept open do not hold up the end.
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], world: World) -> None:
        self.world = world
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "stripe-double"
    # Head and body leave together, and at once.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def log_message(self, *_: object) -> None:
        """Say nothing: `World.requests` tells what was asked."""

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        # Read also if it is refused: who is still sending would not hear the answer.
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if len(body) > _LARGEST_BODY:
            self._send(Answer(http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b""))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path, parts.query, headers, body)
        answer = self._answer(request)
        if answer is None:
            self._hang_up()
        else:
            self._send(answer)

    def _answer(self, request: Request) -> Answer | None:
        if request.path.startswith(("/v1/", "/v2/")):
            return self.server.world.answer(request)
        try:
            if request.path.startswith(_CONTROL):
                return _controlled(self.server.world, request)
            return pages.answer(self.server.world, request)
        except ProblemError as problem:
            return Answer(problem.status, json.dumps(problem.body(), indent=2).encode(), _JSON)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


_JSON = {"Content-Type": "application/json"}


def _controlled(world: World, request: Request) -> Answer:
    form = request.body.decode() if request.method == "POST" else request.query
    found = control(world, request.method, request.path.removeprefix(_CONTROL), form)
    if "text/html" in request.headers.get("accept", ""):
        return pages.see_other(request.headers.get("referer", "/"))
    return Answer(200, json.dumps(found, indent=2).encode(), _JSON)
