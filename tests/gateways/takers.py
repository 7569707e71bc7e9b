"""Somebody who takes webhooks and keeps them as they came."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Taken:
    body: bytes
    signature: str

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Taker:
    """`refuse`: answer 500 to so many of the next."""

    taken: list[Taken] = field(default_factory=list)
    refuse: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), self)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/stripe?of=tests"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def ids(self) -> list[str]:
        return [each.event["id"] for each in self.taken]

    @property
    def types(self) -> list[str]:
        return [each.event["type"] for each in self.taken]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], taker: Taker) -> None:
        self.taker = taker
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        taker = self.server.taker
        if taker.refuse:
            taker.refuse -= 1
            taker.refused += 1
            self.send_error(500)
            return
        taker.taken.append(Taken(body, self.headers["Stripe-Signature"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass
