"""Sending webhooks: take what is due in hand, post it outside any transaction, write what became of it.

At least once: a worker that dies in between leaves its deliveries to be due again when their leases end, with the same ids and
bodies. A user's are sent in order: a later one waits for an earlier one.
"""

import random
import time
from collections import Counter
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

import msgspec
import structlog
from sqlmodel import Session

from app import clock, models
from app.db import transaction
from app.domain.webhook_retries import GONE, is_given_up, next_attempt_at, retry_after, was_away
from app.domain.webhooks import DeliveryStatus
from app.errors import OverloadedError
from app.gateways import webhooks as gateway
from app.gateways.webhooks import Answer
from app.queries import webhook_deliveries as queries
from app.queries.webhook_deliveries import Claimed, Outcome
from app.queries.webhooks import locked_endpoint
from app.services.sweeps import Swept
from app.services.webhook_secrets import signature
from app.services.webhooks import switch_off
from app.settings import settings

log = structlog.get_logger(__name__)

RUN_SECONDS = 10.0
SENDERS = 16
# An endpoint that takes all the time there is holds up a few senders, not all; one that fails is tried by one.
_SENDERS_PER_ENDPOINT = 4
_LOOK_AGAIN_SECONDS = 1.0

_USER_AGENT: Final = f"Meterline/{version('meterline')}"
_UNSENT = Answer(None, "It could not be sent.")
_FAILED_TOO_LONG = "It failed for three days."
_SAID_GONE = "It answered 410 Gone."

Flights = dict[Future[Answer], Claimed]


def deliver_due(run_seconds: float = RUN_SECONDS) -> Swept:
    """Send what is due, of all tenants, for about so long; what is on its way then is waited for.

    Raises:
        OverloadedError: the database is busy or away. What could not be written is sent again.
    """
    run = _Run()
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="webhooks") as senders:
        deadline = time.monotonic() + run_seconds
        while time.monotonic() < deadline and (run.start(senders) or run.flights):
            run.finish(_LOOK_AGAIN_SECONDS)
        is_empty = not run.flights and time.monotonic() < deadline
        while run.flights:
            run.finish(None)
    if run.failure is not None:
        raise run.failure
    return Swept(handled=run.handled, set_aside=0, more=not is_empty)


class _Run:
    """What one run has in flight. The database is this thread's alone; the senders only post."""

    def __init__(self) -> None:
        self.flights: Flights = {}
        self.handled = 0
        self.failure: OverloadedError | None = None

    def start(self, senders: ThreadPoolExecutor) -> bool:
        """Take what is due and has room, and have it sent; whether there was something."""
        if self.failure is not None:
            return False
        try:
            claimed = _claim(self.flights.values())
        except OverloadedError as busy:
            self.failure = busy  # what is in flight must still be written
            return False
        self.flights |= {senders.submit(_send, each): each for each in claimed}
        return bool(claimed)

    def finish(self, timeout_seconds: float | None) -> None:
        """Wait until something has been sent, or for so long, and write what became of it."""
        sent, _ = wait(self.flights, timeout_seconds, FIRST_COMPLETED)
        for future in sent:
            claimed = self.flights.pop(future)
            try:
                _note(claimed, _answer(future))
                self.handled += 1
            except OverloadedError as busy:
                self.failure = busy


def _claim(in_flight: Collection[Claimed]) -> list[Claimed]:
    """A few of each endpoint that something waits for, as many as there are senders."""
    busy = Counter((each.tenant_id, each.endpoint_id) for each in in_flight)
    room = SENDERS - len(in_flight)
    claimed: list[Claimed] = []
    if not room:
        return claimed
    with transaction() as session:
        now = clock.now()
        for due in queries.due_endpoints(session, now):
            senders = (1 if due.is_failing else _SENDERS_PER_ENDPOINT) - busy[due.tenant_id, due.endpoint_id]
            limit = min(senders, room - len(claimed))
            if limit > 0:
                claimed += queries.claim(session, due, limit, now)
    return claimed


def _send(claimed: Claimed) -> Answer:
    body = msgspec.json.encode(
        {
            "type": claimed.type,
            "timestamp": clock.to_wire(claimed.created_at),
            "data": msgspec.Raw(claimed.data.encode()),
        }
    )
    message_id = f"msg_{claimed.message_id}"
    # Real time, whatever our clock shows: the receiver compares it with its own.
    sent_at = datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": _USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": signature(claimed, message_id, body.decode(), sent_at, clock.now()),
    }
    return gateway.post(claimed.url, body, headers, allow_private=settings().webhook_allow_private)


def _answer(future: Future[Answer]) -> Answer:
    fault = future.exception()
    if fault is None:
        return future.result()
    log.error("webhooks.not_sent", exc_info=fault)
    return _UNSENT


def _note(claimed: Claimed, answer: Answer) -> None:
    """Write what became of a delivery, and what that says of its endpoint: nothing if it is not ours any more."""
    if answer.status_code is not None and 200 <= answer.status_code < 300:
        _note_success(claimed, answer)
    else:
        _note_failure(claimed, answer)


def _note_success(claimed: Claimed, answer: Answer) -> None:
    with transaction() as session:
        now = clock.now()
        endpoint = queries.locked_failing(session, claimed.tenant_id, claimed.endpoint_id)
        outcome = Outcome(DeliveryStatus.DELIVERED, None, answer.status_code, None)
        if not queries.settle(session, claimed, outcome, now) or endpoint is None:
            return
        if endpoint.failing_since is not None and was_away(endpoint.failing_since, now):
            queries.hurry(session, endpoint, now)
        endpoint.failing_since, endpoint.failures = None, 0


def _note_failure(claimed: Claimed, answer: Answer) -> None:
    error = answer.failure or f"The endpoint answered {answer.status_code}."
    with transaction() as session:
        now = clock.now()
        endpoint = locked_endpoint(session, claimed.tenant_id, claimed.endpoint_id)
        asked_for = retry_after(answer.status_code, answer.retry_after, now)
        # Chance that spreads load protects nothing.
        again_at = next_attempt_at(claimed.attempts, now, random.random(), asked_for)  # noqa: S311
        status = DeliveryStatus.DEAD if again_at is None else DeliveryStatus.PENDING
        outcome = Outcome(status, again_at, answer.status_code, error)
        if endpoint is None or not queries.settle(session, claimed, outcome, now):
            return
        _note_failing(session, endpoint, answer, now)
    log.info(
        "webhooks.attempt_failed",
        tenant_id=claimed.tenant_id,
        endpoint_id=claimed.endpoint_id,
        delivery_id=claimed.id,
        attempts=claimed.attempts,
        status_code=answer.status_code,
        error=error,
        status=status.value,
    )


def _note_failing(session: Session, endpoint: models.WebhookEndpoint, answer: Answer, now: datetime) -> None:
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    reason = None
    if answer.status_code == GONE:
        reason = _SAID_GONE
    elif is_given_up(endpoint.failing_since, endpoint.failures, now):
        reason = _FAILED_TOO_LONG
    if reason is not None:
        endpoint.updated_at = now
        switch_off(session, endpoint, reason)
        log.warning("webhooks.endpoint_disabled", tenant_id=endpoint.tenant_id, endpoint_id=endpoint.id, reason=reason)
