"""Whether and when a call to our account at the billing provider may go out, for all processes together.

Each lane of the account has a pace, a token bucket that hands out turns in order; and the account has a breaker: after
`FAILURES_MAX` calls in a row without a proper answer nobody calls for `REST_SECONDS`, then one call finds out how things are.
Both are in Redis, and a decision asks it once. While Redis is away each process goes on at a part of the pace, without a
breaker: what limits us must never be what stops us. Why this is our own code: docs/decisions/0018-calls-to-stripe.md.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from app.gateways import account_scripts
from app.gateways.billing import Lane
from app.gateways.billing_errors import BillingRateLimitedError, BillingUnavailableError
from app.jobs.celery_app import redis_py_url
from app.settings import settings

log = structlog.get_logger(__name__)

T = TypeVar("T")

FAILURES_MAX: Final = 5
REST_SECONDS: Final = 30.0
OURS: Final = "ours"
"""The reason of a BillingRateLimitedError that we raise ourselves."""

REASONS: Final = ("global-rate", "global-concurrency", "endpoint-rate", "endpoint-concurrency", "resource-specific")
"""Which of its limits Stripe can say it was (`Stripe-Rate-Limited-Reason`)."""
OTHER_REASON: Final = "other"

# Behind a link somebody waits.
_PATIENCE_SECONDS: Final = {Lane.LINKS: 5.0, Lane.SWEEPS: 15.0}
# A quarter of a second's calls may come at once. 20 a second are so never more than 25 in any second, which is what Stripe
# takes at one endpoint.
_AT_ONCE_SECONDS: Final = 0.25
_REMEMBERED_SECONDS: Final = 600.0
_REDIS_SECONDS: Final = 1.0
# For so long Redis is not asked again when it did not answer.
_AWAY_SECONDS: Final = 5.0
# Of its lane's pace, for a process that cannot ask Redis: the worker has four by default.
_ALONE_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Pace:
    """So many calls a second; who would have to wait for longer than `patience_seconds` is told to come again."""

    per_second: float
    patience_seconds: float

    @property
    def between_seconds(self) -> float:
        return 1 / self.per_second

    @property
    def early_seconds(self) -> float:
        """How long before it is due by an even pace a call may go: what makes a few at once possible."""
        return max(0.0, _AT_ONCE_SECONDS - self.between_seconds)


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with the account: whether its breaker is shut, and how many calls were too many for Stripe, by reason."""

    is_shut: bool
    rate_limited: dict[str, int]


class AccountLimits:
    """The limits of an account for the callers of one lane. Thread-safe; a child of a fork must make its own.

    `account` says which account it is without saying the key.
    """

    def __init__(
        self, account: str, lane: Lane, pace: Pace, redis_url: str, *, rest_seconds: float = REST_SECONDS
    ) -> None:
        self._pace = pace
        self._rest_seconds = rest_seconds
        self._alone = _Alone(Pace(pace.per_second * _ALONE_SHARE, pace.patience_seconds))
        self._redis_away_until = 0.0
        self._redis = _redis(redis_url)
        self._breaker, self._rate_limited = _breaker_key(account), _rate_limited_key(account)
        self._lane = f"meterline:billing:{account}:lane:{lane}"
        self._admit = self._redis.register_script(account_scripts.ADMIT)
        self._failed = self._redis.register_script(account_scripts.FAILED)
        self._answered = self._redis.register_script(account_scripts.ANSWERED)

    @property
    def patience_seconds(self) -> float:
        return self._pace.patience_seconds

    def admit(self) -> None:
        """Wait for a turn to call, for as long as the lane's patience goes.

        Raises:
            BillingRateLimitedError: it would take longer.
            BillingUnavailableError: the provider has not answered for a while, and is not asked at the moment.
        """
        verdict, wait_seconds = self._asked_redis(self._ask_for_turn) or self._alone.turn()
        if verdict == "shut":
            raise BillingUnavailableError("Stripe is not answering, try again", retry_after_seconds=wait_seconds)
        if verdict == "full":
            raise BillingRateLimitedError(
                "too many calls to Stripe are waiting, try again", retry_after_seconds=wait_seconds, reason=OURS
            )
        time.sleep(wait_seconds)

    def note_answer(self) -> None:
        """The provider answered, whatever it said."""
        if self._asked_redis(lambda: self._answered(keys=[self._breaker])):
            log.info("stripe.answers_again")

    def note_failure(self) -> None:
        """There was no answer, or one that says that the provider is not well."""
        limits = [FAILURES_MAX, _microseconds(self._rest_seconds), int(_REMEMBERED_SECONDS * 1_000)]
        if self._asked_redis(lambda: self._failed(keys=[self._breaker], args=limits)):
            log.error("stripe.not_answering", failures=FAILURES_MAX, rest_seconds=self._rest_seconds)

    def note_rate_limited(self, reason: str | None) -> None:
        """There were too many calls, says the provider."""
        known = reason if reason in REASONS else OTHER_REASON
        self._asked_redis(lambda: self._redis.hincrby(self._rate_limited, known, 1))
        log.warning("stripe.rate_limited", reason=known)

    def _ask_for_turn(self) -> tuple[str, float]:
        pace = self._pace
        times = (pace.between_seconds, pace.early_seconds, pace.patience_seconds, self._rest_seconds)
        verdict, wait = self._admit(keys=[self._breaker, self._lane], args=[_microseconds(each) for each in times])
        return verdict, wait / 1_000_000

    def _asked_redis(self, ask: Callable[[], T]) -> T | None:
        """None if Redis is away."""
        if time.monotonic() < self._redis_away_until:
            return None
        try:
            return ask()
        except (RedisError, OSError) as error:
            self._redis_away_until = time.monotonic() + _AWAY_SECONDS
            log.warning("stripe.limits_not_shared", error=type(error).__name__)
            return None


class _Alone:
    """The pace of a process that cannot ask Redis. As the script, without a breaker."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._due = 0.0
        self._taking = threading.Lock()

    def turn(self) -> tuple[str, float]:
        with self._taking:
            now = time.monotonic()
            due = max(self._due, now)
            wait = max(0.0, due - self._pace.early_seconds - now)
            if wait > self._pace.patience_seconds:
                return "full", wait
            self._due = due + self._pace.between_seconds
            return "go", wait


def limits_for(lane: Lane) -> AccountLimits:
    """The limits of the account of the settings."""
    found = settings()
    per_second = {Lane.LINKS: found.stripe_links_per_second, Lane.SWEEPS: found.stripe_sweeps_per_second}[lane]
    return AccountLimits(_account(), lane, Pace(per_second, _PATIENCE_SECONDS[lane]), redis_py_url())


def standing() -> Standing | None:
    """How it stands with the account of the settings; None: there is none, or Redis is away."""
    if not settings().stripe_api_key:
        return None
    account = _account()
    try:
        with _redis(redis_py_url()) as redis, redis.pipeline(transaction=False) as asked:
            asked.hexists(_breaker_key(account), "shut_until")
            asked.hgetall(_rate_limited_key(account))
            is_shut, counted = asked.execute()
    except (RedisError, OSError):
        return None
    return Standing(bool(is_shut), {reason: int(counted.get(reason, 0)) for reason in (*REASONS, OTHER_REASON)})


def _account() -> str:
    """A name for the account; nobody gets from it to the key. The double at another address is another account."""
    found = settings()
    return hashlib.sha256(f"{found.stripe_api_key} {found.stripe_api_base or ''}".encode()).hexdigest()[:16]


def _breaker_key(account: str) -> str:
    return f"meterline:billing:{account}:breaker"


def _rate_limited_key(account: str) -> str:
    return f"meterline:billing:{account}:rate_limited"


def _redis(url: str) -> Redis:
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=_REDIS_SECONDS,
        socket_timeout=_REDIS_SECONDS,
        # Once more at once, for a connection that a restart of Redis has ended; by default it would try for seconds. Not after
        # a timeout: it may have given a turn.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)
