"""The gateway within its limits, over the wire: Stripe is asked no faster than it bears, and not at all while it is away."""

import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import pytest
from redis import Redis

from app.gateways.account_limits import FAILURES_MAX, AccountLimits, Pace
from app.gateways.billing import BillingGateway, Lane, Page
from app.gateways.billing_errors import BillingNotFoundError, BillingRateLimitedError, BillingUnavailableError
from app.gateways.stripe import StripeGateway, stripe_gateway
from app.gateways.stripe_double import StripeDouble
from app.gateways.stripe_double.faults import FaultKind
from tests.environment import DEAD_BROKER, environment
from tests.until import until

KEY = "sk_test_within_limits"
NOTHING: Page[object] = Page(items=[], next_after=None)


def limited(
    double: StripeDouble,
    redis_url: str,
    *,
    lane: Lane = Lane.LINKS,
    per_second: float = 1_000,
    tries_again: int = 0,
    rest_seconds: float = 30,
) -> StripeGateway:
    """A process's gateway. Each double is an account of its own."""
    limits = AccountLimits(double.url, lane, Pace(per_second, 5), redis_url, rest_seconds=rest_seconds)
    return StripeGateway(KEY, base=double.url, tries_again=tries_again, read_seconds=10, limits=limits)


def statuses(double: StripeDouble) -> list[int | None]:
    return [each.status for each in double.world.requests()]


def answers(gateway: BillingGateway) -> bool:
    try:
        return gateway.prices() == NOTHING
    except BillingUnavailableError:
        return False


def fail_until_shut(double: StripeDouble, gateway: BillingGateway) -> None:
    double.world.set_down(down=True)
    for _ in range(FAILURES_MAX):
        assert not answers(gateway)


def test_what_two_workers_ask_at_their_pace_is_never_too_much(double: StripeDouble, redis_url: str) -> None:
    double.world.limit(25)
    workers = [limited(double, redis_url, per_second=20) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda number: workers[number % 2].prices(), range(40))) == [NOTHING] * 40
    assert statuses(double) == [HTTPStatus.OK] * 40


def test_too_many_calls_are_repeated_after_a_while(double: StripeDouble, redis_url: str) -> None:
    double.world.fail(FaultKind.RATE_LIMIT)
    double.world.fail(FaultKind.RATE_LIMIT, seconds=1)
    began = time.monotonic()
    made = limited(double, redis_url, tries_again=2).create_product("Pro", key="once")
    assert time.monotonic() - began >= 1  # what Stripe asked for the second time
    assert statuses(double) == [429, 429, 200]
    assert [each["id"] for each in double.world.objects("product")] == [made.id]


def test_too_many_calls_are_told_when_repeats_did_not_help(double: StripeDouble, redis_url: str) -> None:
    double.world.fail(FaultKind.RATE_LIMIT, times=0)
    with pytest.raises(BillingRateLimitedError) as refused:
        limited(double, redis_url, tries_again=1).prices()
    assert (refused.value.reason, statuses(double)) == ("global-rate", [429, 429])


def test_who_is_asked_to_wait_for_longer_than_a_call_can_is_told_at_once(double: StripeDouble, redis_url: str) -> None:
    double.world.fail(FaultKind.RATE_LIMIT, seconds=7)
    with pytest.raises(BillingRateLimitedError) as refused:
        limited(double, redis_url, tries_again=2).prices()
    assert (refused.value.retry_after_seconds, statuses(double)) == (7.0, [429])


def test_while_stripe_is_away_calls_fail_at_once_and_without_asking_it(double: StripeDouble, redis_url: str) -> None:
    gateway = limited(double, redis_url)
    fail_until_shut(double, gateway)
    began = time.monotonic()
    for lane in Lane:
        other = limited(double, redis_url, lane=lane)
        for _ in range(20):
            with pytest.raises(BillingUnavailableError, match="Stripe is not answering, try again"):
                other.prices()
    assert time.monotonic() - began < 2  # some milliseconds each
    assert statuses(double) == [None] * FAILURES_MAX


async def test_when_stripe_is_back_one_call_finds_out_and_the_others_follow(
    double: StripeDouble, redis_url: str
) -> None:
    gateway = limited(double, redis_url, rest_seconds=0.2)
    fail_until_shut(double, gateway)
    await until(lambda: not answers(gateway) and len(statuses(double)) == FAILURES_MAX + 2)
    double.world.set_down(down=False)
    await until(lambda: answers(gateway))
    assert all(answers(limited(double, redis_url, lane=lane)) for lane in Lane for _ in range(10))
    assert statuses(double) == [None] * (FAILURES_MAX + 2) + [200] * 21


def test_the_sdks_own_repeats_end_when_stripe_is_away(double: StripeDouble, redis_url: str) -> None:
    for _ in range(FAILURES_MAX - 1):
        AccountLimits(double.url, Lane.LINKS, Pace(1_000, 5), redis_url).note_failure()
    double.world.set_down(down=True)
    with pytest.raises(BillingUnavailableError, match="Stripe is not answering, try again"):
        limited(double, redis_url, tries_again=5).prices()
    assert statuses(double) == [None]


@pytest.mark.parametrize("kind", [FaultKind.ERROR, FaultKind.BAD_GATEWAY, FaultKind.LOST_ANSWER])
def test_each_way_of_not_answering_counts(double: StripeDouble, redis_url: str, kind: FaultKind) -> None:
    gateway = limited(double, redis_url)
    double.world.fail(kind, times=0)
    for _ in range(FAILURES_MAX + 3):
        assert not answers(gateway)
    assert len(statuses(double)) == FAILURES_MAX


def test_refusals_and_failures_of_long_ago_are_answers(double: StripeDouble, redis_url: str) -> None:
    gateway = limited(double, redis_url)
    double.world.fail(FaultKind.STORED_ERROR, "POST")
    for _ in range(FAILURES_MAX + 3):
        with pytest.raises(BillingUnavailableError) as failed:
            gateway.create_product("Pro", key="once")
        assert failed.value.stored
    for _ in range(FAILURES_MAX + 3):
        with pytest.raises(BillingNotFoundError):
            gateway.price("price_none")
    double.world.fail(FaultKind.RATE_LIMIT, times=FAILURES_MAX)
    for _ in range(FAILURES_MAX):
        assert not answers(gateway)
    assert answers(gateway)


def test_without_redis_stripe_is_asked_all_the_same(double: StripeDouble) -> None:
    gateway = limited(double, DEAD_BROKER)
    fail_until_shut(double, gateway)
    double.world.mend()
    assert all(answers(gateway) for _ in range(10))


def test_each_lane_of_the_account_has_a_gateway_and_its_key_is_in_no_name(double: StripeDouble, redis_url: str) -> None:
    with environment(METERLINE_ENV="development", STRIPE_API_KEY=KEY, STRIPE_API_BASE=double.url, REDIS_URL=redis_url):
        assert stripe_gateway() is stripe_gateway(Lane.LINKS) is not stripe_gateway(Lane.SWEEPS)
        before = names(redis_url)
        assert all(answers(stripe_gateway(lane)) for lane in Lane)
        used = sorted(names(redis_url) - before)
        assert [name.rpartition(":")[2] for name in used] == ["links", "sweeps"]
        assert not any(KEY in name for name in used)


def names(redis_url: str) -> set[str]:
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        return set(redis.scan_iter("meterline:billing:*:lane:*"))
