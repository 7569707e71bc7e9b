"""`/healthz` (the process lives), `/readyz` (it can do its work), `/healthz/worker` (jobs come back). No key needed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from litestar import HttpMethod, Response, route
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from app.edge.threads import in_thread
from app.services.health import readiness, worker_answers

# Many monitors ask with HEAD.
_METHODS = [HttpMethod.GET, HttpMethod.HEAD]


Answer = TypeVar("Answer")


class KeptAnswer(Generic[Answer]):
    """Asks at most once every `seconds`, and never twice at once.

    Anybody may call, and each question takes a thread, for seconds if something is away: one of those that serve customers,
    unless `run` has others.
    """

    def __init__(
        self,
        ask: Callable[[], Answer],
        *,
        seconds: float,
        run: Callable[[Callable[[], Answer]], Awaitable[Answer]] = in_thread,
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._run = run
        self._lock = asyncio.Lock()
        self._kept: tuple[float, Answer] | None = None

    async def get(self) -> Answer:
        async with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] > self._seconds:
                answer = await self._run(self._ask)
                self._kept = (time.monotonic(), answer)
            return self._kept[1]


# One second is short for whoever waits for a start, and enough against a crowd. A question to a worker is a real job.
_readiness = KeptAnswer(readiness, seconds=1)
_worker = KeptAnswer(worker_answers, seconds=5)


@route("/healthz", http_method=_METHODS, include_in_schema=False, sync_to_thread=False)
def live() -> dict[str, str]:
    return {"status": "ok"}


@route("/readyz", http_method=_METHODS, include_in_schema=False)
async def ready() -> Response[dict[str, object]]:
    found = await _readiness.get()
    parts = {"database": found.database, "broker": found.broker, "migrations": found.migrations}
    return _answer(found.ready, {name: "ok" if fine else "failing" for name, fine in parts.items()})


@route("/healthz/worker", http_method=_METHODS, include_in_schema=False)
async def worker() -> Response[dict[str, object]]:
    fine = await _worker.get()
    return _answer(fine, {"worker": "ok" if fine else "failing"})


def _answer(fine: bool, parts: dict[str, str]) -> Response[dict[str, object]]:
    return Response(
        {"status": "ok" if fine else "failing", **parts},
        status_code=HTTP_200_OK if fine else HTTP_503_SERVICE_UNAVAILABLE,
    )


health_handlers = [live, ready, worker]
