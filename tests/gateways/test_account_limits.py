"""Calls to an account keep to its pace and its breaker, whoever makes them, and go on without Redis."""

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from app.gateways.account_limits import FAILURES_MAX, OURS, AccountLimits, Pace, Standing, limits_for, standing
from app.gateways.billing import Lane
from app.gateways.billing_errors import BillingRateLimitedError, BillingUnavailableError
from app.settings import environment_with
from tests.dev.starting import CHECKOUT
from tests.environment import DEAD_BROKER, environment

_numbers = itertools.count(1)
NO_LIMIT = Pace(1_000, 10)
SELDOM = Pace(0.1, 0)

MakeLimits = Callable[..., AccountLimits]


@pytest.fixture
def account() -> str:
    return f"account-{next(_numbers)}"


@pytest.fixture
def limits(redis_url: str, account: str) -> MakeLimits:
    """Each is what a process of its own would have."""
    return lambda pace=NO_LIMIT, lane=Lane.LINKS, **more: AccountLimits(account, lane, pace, redis_url, **more)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def goes(limits: AccountLimits) -> bool:
    try:
        limits.admit()
    except BillingUnavailableError:
        return False
    return True


def shut(limits: AccountLimits) -> None:
    for _ in range(FAILURES_MAX):
        limits.note_failure()


# Two processes with two threads each, which take turns once they are told to begin.
TAKE_TURNS = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from app.gateways.account_limits import AccountLimits, Pace
from app.gateways.billing import Lane

url, account, per_second, turns = sys.argv[1:]
limits = AccountLimits(account, Lane.LINKS, Pace(float(per_second), 60), url)
print("ready", flush=True)
sys.stdin.readline()
began = time.time()
with ThreadPoolExecutor(2) as pool:
    list(pool.map(lambda _: limits.admit(), range(int(turns))))
print(began, time.time())
"""


def test_two_processes_share_a_pace(redis_url: str, account: str) -> None:
    pace, turns = Pace(50, 60), 30
    asked = [sys.executable, "-c", TAKE_TURNS, redis_url, account, str(pace.per_second), str(turns)]
    seen = environment_with(METERLINE_ENV="development")
    both = [
        subprocess.Popen(asked, cwd=CHECKOUT, env=seen, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for each in both:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in both:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    told = [each.communicate(timeout=60)[0].split() for each in both]
    assert [each.returncode for each in both] == [0, 0]
    elapsed = max(float(ended) for _, ended in told) - min(float(began) for began, _ in told)
    # By themselves they would be done in less than half of it. A slow machine only makes it longer.
    assert elapsed >= (2 * turns - 1) * pace.between_seconds - pace.early_seconds


def test_a_quarter_of_a_seconds_calls_may_come_at_once_and_the_next_is_told_when(limits: MakeLimits) -> None:
    for _ in range(5):
        limits(Pace(20, 0)).admit()
    limits(SELDOM, Lane.SWEEPS).admit()
    with pytest.raises(BillingRateLimitedError) as refused:
        limits(SELDOM, Lane.SWEEPS).admit()
    assert refused.value.reason == OURS
    assert refused.value.retry_after_seconds is not None
    assert 5 < refused.value.retry_after_seconds <= 10


def test_a_lane_does_not_wait_for_another_nor_an_account_for_another(
    limits: MakeLimits, redis_url: str, account: str
) -> None:
    assert (goes(limits(SELDOM)), goes(limits(SELDOM))) == (True, False)
    assert goes(limits(SELDOM, Lane.SWEEPS))
    assert goes(AccountLimits(f"{account}-other", Lane.LINKS, SELDOM, redis_url))


def test_a_turn_that_was_refused_is_not_used_up(limits: MakeLimits) -> None:
    limits(Pace(0.1, 0)).admit()
    with pytest.raises(BillingRateLimitedError) as first:
        limits(SELDOM).admit()
    with pytest.raises(BillingRateLimitedError) as second:
        limits(SELDOM).admit()
    assert (second.value.retry_after_seconds or 0) <= (first.value.retry_after_seconds or 0)


def test_a_clock_of_redis_that_was_set_back_does_not_keep_anybody_waiting(
    limits: MakeLimits, redis: Redis, account: str
) -> None:
    in_an_hour = int((time.time() + 3_600) * 1_000_000)
    redis.set(f"meterline:billing:{account}:lane:links", in_an_hour)
    redis.hset(f"meterline:billing:{account}:breaker", "shut_until", in_an_hour)
    with pytest.raises(BillingUnavailableError) as refused:
        limits(rest_seconds=30).admit()
    assert refused.value.retry_after_seconds == 30
    redis.delete(f"meterline:billing:{account}:breaker")
    with pytest.raises(BillingRateLimitedError) as late:
        limits(Pace(10, 0)).admit()
    assert late.value.retry_after_seconds == pytest.approx(0.1)


def test_after_some_failures_in_a_row_nobody_calls(limits: MakeLimits) -> None:
    first, other = limits(), limits(lane=Lane.SWEEPS)
    for _ in range(FAILURES_MAX - 1):
        first.note_failure()
    other.note_answer()
    for _ in range(FAILURES_MAX - 1):
        first.note_failure()
    assert goes(other)
    first.note_failure()
    with pytest.raises(BillingUnavailableError, match="Stripe is not answering, try again") as refused:
        other.admit()
    assert type(refused.value) is BillingUnavailableError
    assert refused.value.retry_after_seconds is not None
    assert 0 < refused.value.retry_after_seconds <= 30


def rested(redis: Redis, account: str) -> None:
    redis.hset(f"meterline:billing:{account}:breaker", "shut_until", int((time.time() - 1) * 1_000_000))


def test_after_a_rest_one_call_finds_out_how_things_are(limits: MakeLimits, redis: Redis, account: str) -> None:
    callers = [limits() for _ in range(8)]
    shut(callers[0])
    assert not any(map(goes, callers))
    rested(redis, account)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(goes, callers)) == 1
    callers[0].note_answer()
    assert all(map(goes, callers))


def test_a_call_that_finds_out_that_things_are_bad_begins_another_rest(
    limits: MakeLimits, redis: Redis, account: str
) -> None:
    caller = limits()
    shut(caller)
    rested(redis, account)
    caller.admit()
    caller.note_failure()
    assert not goes(limits())
    # One that never tells holds up the others for one rest, no longer.
    rested(redis, account)
    caller.admit()
    rested(redis, account)
    assert goes(limits())


def test_a_call_that_waits_for_a_turn_does_not_use_up_the_one_that_finds_out(
    limits: MakeLimits, redis: Redis, account: str
) -> None:
    slow = limits(SELDOM)
    slow.admit()
    shut(slow)
    rested(redis, account)
    with pytest.raises(BillingRateLimitedError):
        slow.admit()
    assert goes(limits(lane=Lane.SWEEPS))


def test_a_redis_that_knows_no_scripts_any_more_is_told_them(limits: MakeLimits, redis: Redis) -> None:
    caller = limits(SELDOM)
    redis.script_flush()
    assert (goes(caller), goes(caller)) == (True, False)
    redis.script_flush()
    shut(caller)
    with pytest.raises(BillingUnavailableError, match="not answering"):
        caller.admit()


def test_without_redis_calls_go_on_at_a_quarter_of_the_pace(account: str) -> None:
    alone = AccountLimits(account, Lane.LINKS, Pace(40, 60), DEAD_BROKER)
    shut(alone)
    alone.note_answer()
    alone.note_rate_limited("global-rate")
    began, turns, pace = time.monotonic(), 10, Pace(10, 60)
    for _ in range(turns):
        alone.admit()
    assert time.monotonic() - began >= (turns - 1) * pace.between_seconds - pace.early_seconds
    impatient = AccountLimits(account, Lane.LINKS, SELDOM, DEAD_BROKER)
    assert (goes(impatient), goes(impatient)) == (True, False)


NO_CALLS_TOO_MANY = {
    "global-rate": 0,
    "global-concurrency": 0,
    "endpoint-rate": 0,
    "endpoint-concurrency": 0,
    "resource-specific": 0,
    "other": 0,
}


def test_how_it_stands_is_told_of_the_account_of_the_settings(redis_url: str, account: str) -> None:
    with environment(METERLINE_ENV="development", STRIPE_API_KEY=account, REDIS_URL=redis_url):
        assert standing() == Standing(is_shut=False, rate_limited=NO_CALLS_TOO_MANY)
        links, sweeps = limits_for(Lane.LINKS), limits_for(Lane.SWEEPS)
        for reason in ("global-rate", "global-rate", "a reason that Stripe may have later", None):
            links.note_rate_limited(reason)
        shut(sweeps)
        assert standing() == Standing(is_shut=True, rate_limited={**NO_CALLS_TOO_MANY, "global-rate": 2, "other": 2})
        links.note_answer()
        assert standing() == Standing(is_shut=False, rate_limited={**NO_CALLS_TOO_MANY, "global-rate": 2, "other": 2})
    with environment(METERLINE_ENV="development", STRIPE_API_KEY=account, REDIS_URL=DEAD_BROKER):
        assert standing() is None
    with environment(METERLINE_ENV="development", STRIPE_API_KEY=None, REDIS_URL=redis_url):
        assert standing() is None
