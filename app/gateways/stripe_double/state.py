"""What the double knows, all of it JSON, and the file that keeps it over a restart."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(slots=True)
class State:
    """`objects`: by kind and id, in the order in which they were made. The rest is what no object of the API shows.

    `shift_seconds`: how far the clock was advanced. `cards`: what customers' payments will do. `lines`: of checkout sessions, and
    `notes`: what each was asked to make. `keys`: answers kept for idempotency keys. `secrets`: of webhook endpoints.
    """

    shift_seconds: int = 0
    objects: dict[str, dict[str, Json]] = field(default_factory=dict)
    cards: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[Json]] = field(default_factory=dict)
    notes: dict[str, Json] = field(default_factory=dict)
    keys: dict[str, Json] = field(default_factory=dict)
    secrets: dict[str, list[str]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """All of it or nothing, so that a kill leaves the file as it was before."""
        descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file)
        Path(unfinished).replace(path)

    @classmethod
    def load(cls, path: Path) -> "State":
        """What was saved there; nothing known if nothing was."""
        if not path.exists():
            return cls()
        state = cls(**json.loads(path.read_text()))
        state.keys = {key: kept for key, kept in state.keys.items() if kept["answer"] is not None}
        state._share_prices()
        return state

    def _share_prices(self) -> None:
        """Whoever has a price has *the* price, so that a change to it is seen everywhere: JSON made copies of it."""
        prices = self.objects.get("price", {})
        subscriptions = self.objects.get("subscription", {}).values()
        bearers = [item for it in subscriptions for item in it["items"]["data"]]
        for each in [*bearers, *(line for lines in self.lines.values() for line in lines)]:
            each["price"] = prices[each["price"]["id"]]
