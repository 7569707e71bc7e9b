"""`/healthz` (the process lives), `/readyz` (it can do its work), `/healthz/worker` (jobs come back). No key needed."""

import asyncio
import time

from litestar import HttpMethod, Response, route
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from app.edge.threads import in_thread
from app.services.health import readiness, worker_answers

_KEPT_SECONDS = 5.0
# Many monitors ask with HEAD.
_METHODS = [HttpMethod.GET, HttpMethod.HEAD]


class KeptAnswer:
    """Asks at most once every 5 seconds, and never twice at once: anybody may call, and each question is a real job."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._asked_at = float("-inf")
        self._answer = False

    async def get(self) -> bool:
        async with self._lock:
            if time.monotonic() - self._asked_at > _KEPT_SECONDS:
                self._answer = await in_thread(worker_answers)
                self._asked_at = time.monotonic()
            return self._answer


_worker = KeptAnswer()


@route("/healthz", http_method=_METHODS, include_in_schema=False, sync_to_thread=False)
def live() -> dict[str, str]:
    return {"status": "ok"}


@route("/readyz", http_method=_METHODS, include_in_schema=False)
async def ready() -> Response[dict[str, object]]:
    found = await in_thread(readiness)
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
