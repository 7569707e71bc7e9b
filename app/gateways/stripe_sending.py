"""How the SDK sends requests of ours: within the account's limits, and once more after a 429, which the SDK never repeats.

Every request goes through here, the SDK's own repeats among them, so no method of the gateway needs to know of it.
"""

import random
import time
from collections.abc import Mapping
from typing import Any, Final

import stripe

from app.domain.backoff import delay_seconds
from app.gateways.account_limits import AccountLimits

_TOO_MANY: Final = 429
_FAULTS: Final = 500

_Answer = tuple[Any, int, Mapping[str, str]]


class LimitedClient(stripe.RequestsClient):
    """The SDK's client, kept within limits. `tries_again`: how often after a 429."""

    def __init__(self, limits: AccountLimits, *, timeout: tuple[float, float], tries_again: int) -> None:
        super().__init__(timeout=timeout)
        self._limits = limits
        self._tries_again = tries_again

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: object = None,
        *,
        _usage: list[str] | None = None,
    ) -> _Answer:
        """As the SDK wants it.

        Raises:
            BillingUnavailableError: it is not sent, see `AccountLimits.admit`.
        """
        failures = 0
        while True:
            answer = self._sent(method, url, headers, post_data)
            _, status, heard = answer
            if status != _TOO_MANY:
                return answer
            failures += 1
            # It spreads repeats and protects nothing.
            chance = random.random()  # noqa: S311
            wait = delay_seconds(failures, chance=chance, asked_for=retry_after_seconds(heard))
            if failures > self._tries_again or wait > self._limits.patience_seconds:
                return answer
            time.sleep(wait)

    def _sent(self, method: str, url: str, headers: Mapping[str, str] | None, post_data: object) -> _Answer:
        self._limits.admit()
        try:
            answer = super().request(method, url, headers, post_data)
        except stripe.APIConnectionError:
            self._limits.note_failure()
            raise
        self._note(*answer[1:])
        return answer

    def _note(self, status: int, heard: Mapping[str, str]) -> None:
        # A failure that Stripe has kept and repeats says nothing about how it is now.
        if status >= _FAULTS and heard.get("idempotent-replayed") != "true":
            self._limits.note_failure()
            return
        self._limits.note_answer()
        if status == _TOO_MANY:
            self._limits.note_rate_limited(heard.get("stripe-rate-limited-reason"))


def retry_after_seconds(heard: Mapping[str, str]) -> float | None:
    """What the headers of an answer ask for; None: nothing, or nothing that we understand."""
    wait = heard.get("retry-after", "")
    return float(wait) if wait.isdecimal() else None
