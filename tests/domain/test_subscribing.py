"""Who may be subscribed to what, against the documented order of checks, over every combination of a small catalogue."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from itertools import product

import pytest

from app.domain.periods import ResetPeriod
from app.domain.subscribing import (
    LIVE_STATUSES,
    PackageStatus,
    Sellable,
    SubscriptionStatus,
    check_changeable,
    check_published,
    check_subscribable,
    end_of_paid_period,
)
from app.errors import MeterlineError, PackageStatusError, SubscriptionError

DRAFT, PUBLISHED, ARCHIVED = PackageStatus.DRAFT, PackageStatus.PUBLISHED, PackageStatus.ARCHIVED
DAY, MONTH, YEAR = ResetPeriod.DAY, ResetPeriod.MONTH, ResetPeriod.YEAR

FREE = Sellable("free", PUBLISHED, is_addon=False)
PRO = Sellable("pro", PUBLISHED, is_addon=False)
OLD = Sellable("old", ARCHIVED, is_addon=False)
ANY_BASE = Sellable("extra-calls", PUBLISHED, is_addon=True)
PRO_ONLY = Sellable("sso", PUBLISHED, is_addon=True, allowed_bases=frozenset({"pro"}))
OLD_OR_FREE = Sellable("ads", PUBLISHED, is_addon=True, allowed_bases=frozenset({"old", "free"}))
UNFINISHED = Sellable("beta", DRAFT, is_addon=True)
CATALOGUE = [FREE, PRO, OLD, ANY_BASE, PRO_ONLY, OLD_OR_FREE, UNFINISHED]

SECOND_BASE = "Cannot subscribe to multiple tiers"
MISSING_BASE = "Cannot subscribe to addon. Missing live tier subscription."


def verdict(requested: Sequence[Sellable], live_base_ids: Collection[str]) -> tuple[str, str] | None:
    """The error's name and message, or None where the call is allowed."""
    try:
        check_subscribable(requested, live_base_ids)
    except MeterlineError as refusal:
        return refusal.name, refusal.message
    return None


def expected_verdict(requested: Sequence[Sellable], live_base_ids: Sequence[str]) -> tuple[str, str] | None:
    """The documented order, each check over the whole call before the next one."""
    for package in requested:
        if package.status != "PUBLISHED":
            problem = f"Cannot subscribe to package {package.id}: it is {package.status.value}, not PUBLISHED"
            return "PackageStatusError", problem
    new_bases = [package.id for package in requested if package.is_addon is False]
    if len(new_bases) >= 2 or (len(new_bases) == 1 and len(live_base_ids) >= 1):
        return "SubscriptionError", SECOND_BASE
    bases = list(live_base_ids) + new_bases
    addons = [package for package in requested if package.is_addon is True]
    if len(addons) >= 1 and len(bases) == 0:
        return "SubscriptionError", MISSING_BASE
    for addon in addons:
        if addon.allowed_bases and addon.allowed_bases.isdisjoint(bases):
            return "SubscriptionError", f"Cannot subscribe to addon. Package {addon.id} does not go with {bases[0]}."
    return None


@pytest.mark.parametrize("live_base_ids", [[], ["free"], ["pro"], ["old"], ["pro", "free"]])
def test_every_call_for_up_to_three_packages_is_judged_in_the_documented_order(live_base_ids: list[str]) -> None:
    for count in range(4):
        for requested in product(CATALOGUE, repeat=count):
            assert verdict(requested, live_base_ids) == expected_verdict(requested, live_base_ids), requested


@pytest.mark.parametrize(
    ("requested", "live_base_ids"),
    [
        ([PRO], []),
        ([PRO, ANY_BASE], []),
        ([ANY_BASE, PRO], []),
        ([ANY_BASE, PRO_ONLY, PRO], []),
        ([ANY_BASE], ["pro"]),
        ([PRO_ONLY, ANY_BASE], ["pro"]),
        ([OLD_OR_FREE], ["old"]),
        ([], []),
    ],
)
def test_a_base_and_addons_that_go_with_it_are_allowed_in_any_order(
    requested: list[Sellable], live_base_ids: list[str]
) -> None:
    assert verdict(requested, live_base_ids) is None


@pytest.mark.parametrize(
    ("requested", "live_base_ids", "message"),
    [
        ([ANY_BASE], [], MISSING_BASE),
        ([PRO_ONLY], [], MISSING_BASE),
        ([PRO, FREE], [], SECOND_BASE),
        ([PRO, PRO], [], SECOND_BASE),
        ([PRO], ["pro"], SECOND_BASE),
        ([PRO], ["free"], SECOND_BASE),
        ([PRO, PRO_ONLY], ["free"], SECOND_BASE),
        ([PRO_ONLY], ["free"], "Cannot subscribe to addon. Package sso does not go with free."),
        ([FREE, ANY_BASE, PRO_ONLY], [], "Cannot subscribe to addon. Package sso does not go with free."),
    ],
)
def test_the_refusals_have_the_exact_messages(
    requested: list[Sellable], live_base_ids: list[str], message: str
) -> None:
    assert verdict(requested, live_base_ids) == ("SubscriptionError", message)


def test_a_package_that_is_not_published_is_refused_before_anything_else() -> None:
    """Two bases, and an add-on that does not go with them, would be refused as well."""
    assert verdict([PRO, FREE, PRO_ONLY, OLD, UNFINISHED], ["free"]) == (
        "PackageStatusError",
        "Cannot subscribe to package old: it is ARCHIVED, not PUBLISHED",
    )


def test_a_second_base_is_refused_before_an_addon_that_does_not_go_with_it() -> None:
    assert verdict([PRO_ONLY, FREE, FREE], []) == ("SubscriptionError", SECOND_BASE)


@pytest.mark.parametrize(("status", "word"), [(DRAFT, "DRAFT"), (ARCHIVED, "ARCHIVED")])
def test_only_a_published_package_can_be_subscribed_to(status: PackageStatus, word: str) -> None:
    check_published(PRO)

    with pytest.raises(PackageStatusError) as caught:
        check_published(Sellable("team", status, is_addon=False))

    assert caught.value.message == f"Cannot subscribe to package team: it is {word}, not PUBLISHED"
    assert caught.value.code == "BAD_USER_INPUT"


@pytest.mark.parametrize("live_addons", [[], [ANY_BASE], [PRO_ONLY], [ANY_BASE, PRO_ONLY]])
def test_the_base_can_be_changed_when_every_live_addon_goes_with_the_new_one(live_addons: list[Sellable]) -> None:
    check_changeable(PRO, live_addons)


def test_an_addon_that_is_no_longer_published_keeps_going_with_its_base() -> None:
    check_changeable(PRO, [Sellable("sso", ARCHIVED, is_addon=True, allowed_bases=frozenset({"pro"}))])


@pytest.mark.parametrize(
    ("new_base", "live_addons", "error", "message"),
    [
        (OLD, [], PackageStatusError, "Cannot subscribe to package old: it is ARCHIVED, not PUBLISHED"),
        (UNFINISHED, [PRO_ONLY], PackageStatusError, "Cannot subscribe to package beta: it is DRAFT, not PUBLISHED"),
        (
            ANY_BASE,
            [PRO_ONLY],
            SubscriptionError,
            "Cannot change to package extra-calls: it is an add-on, not a base package.",
        ),
        (
            FREE,
            [ANY_BASE, OLD_OR_FREE, PRO_ONLY],
            SubscriptionError,
            "Cannot change to package free: add-on sso does not go with it.",
        ),
        (
            PRO,
            [OLD_OR_FREE, PRO_ONLY],
            SubscriptionError,
            "Cannot change to package pro: add-on ads does not go with it.",
        ),
    ],
)
def test_a_change_is_refused_in_order_for_status_kind_and_addons(
    new_base: Sellable, live_addons: list[Sellable], error: type[MeterlineError], message: str
) -> None:
    with pytest.raises(MeterlineError) as caught:
        check_changeable(new_base, live_addons)

    assert (type(caught.value), caught.value.message) == (error, message)


@pytest.mark.parametrize(
    ("addon", "base_id", "goes"),
    [
        (ANY_BASE, "pro", True),
        (ANY_BASE, "a base made tomorrow", True),
        (PRO_ONLY, "pro", True),
        (PRO_ONLY, "free", False),
        (PRO_ONLY, "PRO", False),
        (OLD_OR_FREE, "free", True),
    ],
)
def test_an_addon_tied_to_no_base_goes_with_every_one(addon: Sellable, base_id: str, goes: bool) -> None:
    assert addon.goes_with(base_id) is goes


def test_only_active_and_trialing_subscriptions_are_live() -> None:
    assert set(LIVE_STATUSES) == {SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING}
    assert [status.value for status in SubscriptionStatus if status not in LIVE_STATUSES] == [
        "CANCELLED",
        "PAST_DUE",
        "UNPAID",
        "INCOMPLETE",
        "INCOMPLETE_EXPIRED",
    ]


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([], "2024-04-30T12:00:00.000Z"),
        ([DAY], "2024-04-02T12:00:00.000Z"),
        ([MONTH], "2024-04-30T12:00:00.000Z"),
        ([YEAR], "2025-01-31T12:00:00.000Z"),
        ([DAY, MONTH], "2024-04-30T12:00:00.000Z"),
        ([MONTH, YEAR, DAY], "2025-01-31T12:00:00.000Z"),
        ({YEAR, DAY}, "2025-01-31T12:00:00.000Z"),
    ],
)
def test_a_cancelled_subscription_runs_to_the_end_of_its_longest_period(
    units: Collection[ResetPeriod], expected: str
) -> None:
    anchor, moment = datetime(2024, 1, 31, 12, tzinfo=UTC), datetime(2024, 4, 1, 13, tzinfo=UTC)

    assert end_of_paid_period(anchor, units, moment) == datetime.fromisoformat(expected)


def test_cancelling_on_a_boundary_pays_for_the_period_that_begins_there() -> None:
    anchor, boundary = datetime(2024, 1, 31, 12, tzinfo=UTC), datetime(2024, 2, 29, 12, tzinfo=UTC)

    assert end_of_paid_period(anchor, [MONTH], boundary) == datetime(2024, 3, 31, 12, tzinfo=UTC)
