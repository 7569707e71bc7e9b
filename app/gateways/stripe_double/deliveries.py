"""Webhooks on their way: signed, sent again when nobody took them, and held, lost, doubled or shuffled when a test says so."""

import http.client
import json
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, Thread
from urllib.parse import urlsplit

from app.gateways.stripe_double import thin_events
from app.gateways.stripe_double.account import Account
from app.gateways.stripe_signatures import sign

# Stripe goes on for up to three days; these are for people who watch.
USUAL_RETRIES = (1.0, 5.0, 30.0)
_TIMEOUT_SECONDS = 10.0


@dataclass(slots=True)
class Delivery:
    endpoint_id: str
    event_id: str
    tries: int = 0
    # By the monotonic clock.
    due_at: float = 0.0


@dataclass(slots=True)
class WebhookFaults:
    """`hold`: nothing leaves. `drop` and `double`: so many of the next are lost on the way, or arrive twice. `shuffle`: of what
    waits, any may be next. The rates do the same by chance, which `seed` makes repeatable.
    """

    hold: bool = False
    shuffle: bool = False
    drop: int = 0
    double: int = 0
    drop_rate: float = 0.0
    double_rate: float = 0.0
    seed: int = 0


@dataclass(slots=True)
class Tally:
    """How many webhooks were taken, found nobody who took them, and were lost on purpose."""

    delivered: int = 0
    failed: int = 0
    dropped: int = 0


@dataclass(slots=True)
class Deliveries:
    """One thread that sends what waits. Its own lock is inside the account's, never around it."""

    account: Callable[[], Account]
    retries: Sequence[float] = USUAL_RETRIES
    faults: WebhookFaults = field(default_factory=WebhookFaults)
    tally: Tally = field(default_factory=Tally)
    _waiting: list[Delivery] = field(default_factory=list)
    _under_way: int = 0
    _changed: Condition = field(default_factory=Condition)
    _chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 — it chooses which test webhooks are lost
    _stopped: bool = False
    _thread: Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread = Thread(target=self._run, name="stripe-double-webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more; what waits is dropped."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def put(self, endpoint_id: str, event_id: str) -> None:
        """Send an event to an endpoint, or what the faults make of that."""
        with self._changed:
            self._waiting += [Delivery(endpoint_id, event_id) for _ in range(self._copies())]
            self._changed.notify_all()

    def set_faults(self, faults: WebhookFaults) -> None:
        """From now on. What was held leaves if nothing is held any more."""
        with self._changed:
            self.faults = faults
            self._chance = random.Random(faults.seed)  # noqa: S311 — as above
            self._changed.notify_all()

    def retry_now(self) -> None:
        """Let what waits for its next try wait no more."""
        with self._changed:
            for each in self._waiting:
                each.due_at = 0.0
            self._changed.notify_all()

    def waiting(self) -> int:
        """How many are not settled yet, those that are held or wait for their next try among them."""
        with self._changed:
            return len(self._waiting) + self._under_way

    def _copies(self) -> int:
        faults = self.faults
        if faults.drop > 0 or self._chance.random() < faults.drop_rate:
            faults.drop = max(0, faults.drop - 1)
            self.tally.dropped += 1
            return 0
        if faults.double > 0 or self._chance.random() < faults.double_rate:
            faults.double = max(0, faults.double - 1)
            return 2
        return 1

    def _run(self) -> None:
        while (delivery := self._next()) is not None:
            taken = self._send(delivery)
            with self._changed:
                self._under_way -= 1
                if not taken:
                    self._again(delivery)
                self._changed.notify_all()

    def _next(self) -> Delivery | None:
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                ready = [] if self.faults.hold else [each for each in self._waiting if each.due_at <= now]
                if ready:
                    chosen = self._chance.choice(ready) if self.faults.shuffle else ready[0]
                    self._waiting.remove(chosen)
                    self._under_way += 1
                    return chosen
                later = [] if self.faults.hold else [each.due_at - now for each in self._waiting]
                self._changed.wait(min(later, default=None))
        return None

    def _again(self, delivery: Delivery) -> None:
        if delivery.tries < len(self.retries):
            delivery.due_at = time.monotonic() + self.retries[delivery.tries]
            delivery.tries += 1
            self._waiting.append(delivery)
        else:
            self.tally.failed += 1

    def _send(self, delivery: Delivery) -> bool:
        """Whether nothing more is to be done: it was taken, or there is nobody to send it to."""
        account = self.account()
        with account.lock:
            endpoint, event = account.anything(delivery.endpoint_id), account.anything(delivery.event_id)
            if endpoint is None or event is None or endpoint["status"] != "enabled":
                return True
            # Indented, as Stripe's are: whoever checks the signature over JSON that was written again finds out here.
            body = json.dumps(thin_events.as_told(event), indent=2).encode()
            url = endpoint.get("webhook_endpoint", endpoint)["url"]
            secrets = list(account.state.secrets[delivery.endpoint_id])
        if not _posted(url, body, _signatures(body, secrets)):
            return False
        with account.lock:
            if "pending_webhooks" in event:
                event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
        self.tally.delivered += 1
        return True


def _signatures(body: bytes, secrets: Sequence[str]) -> str:
    """One header for all secrets. The stamp is of the real time, whatever the account's clock says: it is about the sending."""
    stamp = int(time.time())
    first, *others = [sign(body, secret=each, stamp=stamp) for each in secrets]
    return ",".join([first, *(each.partition(",")[2] for each in others)])


def _posted(url: str, body: bytes, signature: str) -> bool:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": signature,
    }
    try:
        connection.request("POST", f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", body, headers)
        answer = connection.getresponse()
        return http.HTTPStatus.OK <= answer.status < http.HTTPStatus.MULTIPLE_CHOICES
    except (OSError, http.client.HTTPException):
        return False
    finally:
        with suppress(OSError):
            connection.close()
