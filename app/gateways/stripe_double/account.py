"""A Stripe account in test mode: its objects, its clock, and whom it tells of what happens."""

import copy
import secrets
import string
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from app.gateways.stripe_double.problems import no_such
from app.gateways.stripe_double.state import Json, State

API_VERSION = "2026-10-28.endive"
_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 24

# The endpoint, and the event.
Tell = Callable[[str, str], None]


@dataclass(slots=True)
class Asked:
    """The request that is being answered, as events name it; of what happens by itself there is none."""

    request_id: str | None = None
    key: str | None = None


@dataclass(slots=True)
class Account:
    """Everything under one lock: who reads or changes anything holds it."""

    state: State
    tell: Tell
    # Where the double's own pages are.
    base: str = ""
    lock: RLock = field(default_factory=RLock)
    asked: Asked = field(default_factory=Asked)
    # In Unix seconds; `state.shift_seconds` comes on top.
    clock: Callable[[], float] = time.time
    # Until when everything that is due was done.
    caught_up_at: int = 0
    # While what is overdue is caught up with: the moment at which it was due.
    _moment: int | None = None

    def now(self) -> int:
        """Unix seconds, by the account's clock."""
        return int(self.clock()) + self.state.shift_seconds if self._moment is None else self._moment

    @contextmanager
    def at(self, moment: int) -> Iterator[None]:
        """Within, it is that moment, and nobody asked for what happens."""
        self._moment, asked = moment, self.asked
        self.asked = Asked()
        try:
            yield
        finally:
            self._moment, self.asked = None, asked

    def new_id(self, prefix: str) -> str:
        """An id that no object has."""
        return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))}"

    def all(self, kind: str) -> Iterable[Json]:
        """The objects of a kind, oldest first."""
        return self.state.objects.get(kind, {}).values()

    def find(self, kind: str, object_id: str, param: str | None = None) -> Json:
        """An object that is there. Raises ProblemError, in which `param` is what named it."""
        found = self.state.objects.get(kind, {}).get(object_id)
        if found is None:
            raise no_such(kind.rpartition(".")[2].replace("_", " "), object_id, param)
        return found

    def anything(self, object_id: str) -> Json | None:
        """The object of any kind with this id."""
        return next((each[object_id] for each in self.state.objects.values() if object_id in each), None)

    def add(self, made: Json, event: str | None = None) -> Json:
        """Keep a new object, and tell of it."""
        self.state.objects.setdefault(made["object"], {})[made["id"]] = made
        if event:
            self.emit(event, made)
        return made

    def change(self, it: Json, event: str | None, **values: Any) -> None:
        """Give an object these values and tell which it had before. Without a difference there is no event."""
        before = {name: it.get(name) for name, value in values.items() if it.get(name) != value}
        it.update(values)
        if event and before:
            self.emit(event, it, before)

    def emit(self, kind: str, about: Json, before: Json | None = None) -> Json:
        """Make an event and put it on its way to every endpoint that wants it."""
        data: Json = {"object": copy.deepcopy(about)}
        if before is not None:
            data["previous_attributes"] = copy.deepcopy(before)
        takers = [str(each["id"]) for each in self.all("webhook_endpoint") if _wants(each, kind)]
        event = {
            "id": self.new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": len(takers),
            "request": {"id": self.asked.request_id, "idempotency_key": self.asked.key},
            "type": kind,
        }
        self.add(event)
        for endpoint_id in takers:
            self.tell(endpoint_id, str(event["id"]))
        return event


def _wants(endpoint: Json, kind: str) -> bool:
    return endpoint["status"] == "enabled" and bool({"*", kind} & set(endpoint["enabled_events"]))
