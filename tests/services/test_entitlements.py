"""What users may do now, in which period, and what they have used."""

import pytest
from freezegun import freeze_time

from app.contract.packages import PackageFeatureTerms
from app.contract.usage import CheckAccess, Consumption, ConsumptionInPeriod, Entitlement, ShowUsage
from app.domain.entitlements import (
    ALLOWANCE_EXHAUSTED,
    ALLOWED_BINARY,
    ALLOWED_CONSUMABLE,
    NO_SUBSCRIPTION,
    FeatureType,
)
from app.domain.periods import ResetPeriod
from app.errors import FeatureNotFoundError, UserNotFoundError
from app.services import entitlements
from tests.environment import environment
from tests.services.shop import DAY, MONTH, NOWHERE, SET, YEAR, Shop, counted


@pytest.fixture
def pro(shop: Shop) -> Shop:
    """Ada is in the shop, and `pro` gives 10 calls a month."""
    shop.feature()
    shop.package("pro", counted(10))
    shop.user()
    return shop


def period(shop: Shop) -> tuple[str | None, str | None]:
    found = shop.access()
    return found.period_start, found.period_end


def test_an_allowance_gives_access_and_says_by_what(pro: Shop) -> None:
    with freeze_time("2022-08-10T15:07:01.803Z"):
        pro.subscribe("pro")
        pro.record(4)
        assert pro.access(6) == Entitlement(
            access=True,
            reason="The user has a subcription to a package with this consumable feature and either has an allowance "
            "remaining or overage is enabled.",
            consumption=Consumption(used=4, budget=10, overage_enabled=False, reserved=0),
            package_id="pro",
            period_start="2022-08-10T15:07:01.803Z",
            period_end="2022-09-10T15:07:01.803Z",
        )
        refused = pro.access(7)
    assert (refused.access, refused.reason) == (False, ALLOWANCE_EXHAUSTED)
    assert refused.consumption == Consumption(used=4, budget=10, overage_enabled=False, reserved=0)
    assert refused.package_id == "pro"


def test_without_a_subscription_there_is_no_access_and_no_consumption(pro: Shop) -> None:
    assert pro.access() == Entitlement(
        access=False,
        reason=NO_SUBSCRIPTION,
        consumption=None,
        package_id=None,
        period_start=None,
        period_end=None,
    )
    assert pro.usage() == ShowUsage(current=None, past=[])


def test_a_package_without_the_feature_gives_nothing(pro: Shop) -> None:
    pro.feature("exports")
    pro.subscribe("pro")
    assert pro.access(feature_id="exports").reason == NO_SUBSCRIPTION


def test_a_binary_feature_is_there_or_not(shop: Shop) -> None:
    shop.feature("sso", FeatureType.BINARY)
    shop.package("pro", PackageFeatureTerms(id="sso"))
    shop.user()
    assert shop.access(feature_id="sso").access is False
    shop.subscribe("pro")
    assert shop.access(1000, feature_id="sso") == Entitlement(
        access=True,
        reason=ALLOWED_BINARY,
        consumption=None,
        package_id="pro",
        period_start=None,
        period_end=None,
    )
    assert shop.usage(feature_id="sso") == ShowUsage(current=None, past=[])


def test_unlimited_and_overage_always_give_access(shop: Shop) -> None:
    shop.feature("calls")
    shop.feature("mails")
    shop.package("pro", counted(None), counted(1, overage=True, feature_id="mails"))
    shop.user()
    shop.subscribe("pro")
    shop.record(5)
    shop.record(5, feature_id="mails")

    unlimited, overage = shop.access(2**31 - 1), shop.access(2**31 - 1, feature_id="mails")
    assert (unlimited.access, unlimited.consumption) == (
        True,
        Consumption(used=5, budget=None, overage_enabled=False, reserved=0),
    )
    assert (overage.access, overage.reason) == (True, ALLOWED_CONSUMABLE)
    assert overage.consumption == Consumption(used=5, budget=1, overage_enabled=True, reserved=0)


def test_a_limit_of_zero_gives_nothing(shop: Shop) -> None:
    shop.feature()
    shop.package("none", counted(0))
    shop.user()
    shop.subscribe("none")
    assert (shop.access().access, shop.record().recorded) == (False, False)


@pytest.mark.parametrize(
    ("start", "per", "moments"),
    [
        (
            "2026-01-31T10:00:00.000Z",
            MONTH,
            {
                "2026-02-28T09:59:59.999Z": ("2026-01-31T10:00:00.000Z", "2026-02-28T10:00:00.000Z"),
                "2026-02-28T10:00:00.000Z": ("2026-02-28T10:00:00.000Z", "2026-03-31T10:00:00.000Z"),
                "2026-03-31T09:59:59.999Z": ("2026-02-28T10:00:00.000Z", "2026-03-31T10:00:00.000Z"),
                "2026-03-31T10:00:00.000Z": ("2026-03-31T10:00:00.000Z", "2026-04-30T10:00:00.000Z"),
            },
        ),
        (
            "2023-12-29T23:59:59.999Z",
            MONTH,
            {"2024-02-29T23:59:59.999Z": ("2024-02-29T23:59:59.999Z", "2024-03-29T23:59:59.999Z")},
        ),
        (
            "2024-02-29T00:00:00.001Z",
            YEAR,
            {
                "2025-02-28T00:00:00.000Z": ("2024-02-29T00:00:00.001Z", "2025-02-28T00:00:00.001Z"),
                "2025-02-28T00:00:00.001Z": ("2025-02-28T00:00:00.001Z", "2026-02-28T00:00:00.001Z"),
                "2028-02-29T00:00:00.001Z": ("2028-02-29T00:00:00.001Z", "2029-02-28T00:00:00.001Z"),
            },
        ),
        (
            "2026-03-28T23:30:00.000Z",
            DAY,
            {
                "2026-03-29T23:29:59.999Z": ("2026-03-28T23:30:00.000Z", "2026-03-29T23:30:00.000Z"),
                "2026-03-29T23:30:00.000Z": ("2026-03-29T23:30:00.000Z", "2026-03-30T23:30:00.000Z"),
            },
        ),
    ],
    ids=["month-end", "leap-month", "leap-year", "day"],
)
def test_periods_are_counted_from_the_first_start(
    shop: Shop, start: str, per: ResetPeriod, moments: dict[str, tuple[str, str]]
) -> None:
    shop.feature()
    shop.package("pro", counted(10, per))
    shop.user()
    with freeze_time(start) as clock:
        shop.subscribe("pro")
        for moment, expected in moments.items():
            clock.move_to(moment)
            assert period(shop) == expected


@pytest.mark.parametrize(
    ("per", "last", "reset"),
    [
        (DAY, "2026-02-01T10:00:00.122Z", "2026-02-01T10:00:00.123Z"),
        (MONTH, "2026-02-28T10:00:00.122Z", "2026-02-28T10:00:00.123Z"),
        (YEAR, "2027-01-31T10:00:00.122Z", "2027-01-31T10:00:00.123Z"),
    ],
)
def test_usage_resets_at_the_very_millisecond(shop: Shop, per: ResetPeriod, last: str, reset: str) -> None:
    shop.feature()
    shop.package("pro", counted(3, per))
    shop.user()
    with freeze_time("2026-01-31T10:00:00.123Z") as clock:
        shop.subscribe("pro")
        shop.record(2)
        clock.move_to(last)
        assert shop.record(1).consumption.used == 3
        assert (shop.access().access, shop.record(1).recorded) == (False, False)
        clock.move_to(reset)
        assert (shop.access().access, shop.used()) == (True, 0)
        assert shop.record(1).consumption.used == 1
        assert [period.consumption.used for period in shop.usage().past] == [3]


def test_microseconds_of_the_clock_do_not_move_a_boundary(pro: Shop) -> None:
    with freeze_time("2026-01-10T00:00:00.000900Z") as clock:
        pro.subscribe("pro")
        assert period(pro)[0] == "2026-01-10T00:00:00.000Z"
        clock.move_to("2026-02-10T00:00:00.000100Z")
        assert period(pro)[0] == "2026-02-10T00:00:00.000Z"


def test_show_usage_lists_the_past_newest_first_back_to_the_start(pro: Shop) -> None:
    with freeze_time("2026-01-31T10:00:00Z") as clock:
        pro.subscribe("pro")
        pro.record(4)
        clock.move_to("2026-03-31T10:00:00Z")  # nothing was used in February's period
        pro.record(2)
        clock.move_to("2026-05-02T00:00:00Z")
        pro.record(7, SET)

        assert pro.usage() == ShowUsage(
            current=in_period("2026-04-30T10:00:00.000Z", "2026-05-31T10:00:00.000Z", 7),
            past=[
                in_period("2026-03-31T10:00:00.000Z", "2026-04-30T10:00:00.000Z", 2),
                in_period("2026-02-28T10:00:00.000Z", "2026-03-31T10:00:00.000Z", 0),
                in_period("2026-01-31T10:00:00.000Z", "2026-02-28T10:00:00.000Z", 4),
            ],
        )


def test_show_usage_does_not_tell_a_period_that_the_ledger_no_longer_keeps_whole(pro: Shop) -> None:
    with freeze_time("2025-01-31T10:00:00Z") as clock:
        pro.subscribe("pro")
        clock.move_to("2026-05-02T00:00:00Z")
        everything = pro.past()
        with environment(USAGE_RETENTION_DAYS="400"):  # 28 March 2025, so what is older than that month may be gone
            kept = pro.past()

    assert (len(everything), everything[-1]) == (15, ("2025-01-31", 0))
    assert (len(kept), kept[-1]) == (13, ("2025-03-31", 0))


def in_period(start: str, end: str, used: int) -> ConsumptionInPeriod:
    consumption = Consumption(used=used, budget=10, overage_enabled=False, reserved=0)
    return ConsumptionInPeriod(period_start=start, period_end=end, consumption=consumption)


def test_show_usage_looks_back_366_periods(shop: Shop) -> None:
    shop.feature()
    shop.package("pro", counted(10, DAY))
    shop.user()
    with freeze_time("2024-01-01T00:00:00Z") as clock:
        shop.subscribe("pro")
        clock.move_to("2025-01-01T00:00:00Z")  # 366 days of a leap year are over
        assert (len(shop.past()), shop.past()[-1]) == (366, ("2024-01-01", 0))
        clock.move_to("2025-01-02T00:00:00Z")
        assert (len(shop.past()), shop.past()[-1]) == (366, ("2024-01-02", 0))


def test_the_highest_limit_decides_and_limits_are_not_added_up(pro: Shop) -> None:
    pro.addon("boost", counted(5))
    pro.subscribe("pro", "boost")
    found = pro.access()
    assert (found.package_id, found.consumption.budget) == ("pro", 10)


def test_a_winner_with_another_anchor_counts_its_own_period_from_the_ledger(pro: Shop) -> None:
    pro.addon("boost", counted(100))
    with freeze_time("2026-01-01T00:00:00Z") as clock:
        pro.subscribe("pro")
        clock.move_to("2026-01-05T00:00:00Z")
        pro.record(4)
        clock.move_to("2026-01-20T00:00:00Z")
        (boost,) = pro.subscribe("boost")
        # What was used before the add-on's start is not in its period.
        assert (pro.access().package_id, pro.used(), period(pro)[0]) == ("boost", 0, "2026-01-20T00:00:00.000Z")
        pro.record(30)

        clock.move_to("2026-02-10T00:00:00Z")  # the base's second period, still the add-on's first
        assert pro.used() == 30
        pro.record(2)
        assert pro.used() == 32

        pro.cancel(boost.id)  # back to the base, whose period began on 1 February
        assert (pro.access().package_id, pro.used(), period(pro)[0]) == ("pro", 2, "2026-02-01T00:00:00.000Z")
        assert pro.record(1).consumption.used == 3
        assert pro.past() == [("2026-01-01", 34)]


def test_a_set_before_the_windows_start_does_not_count_and_one_inside_replaces(pro: Shop) -> None:
    pro.addon("boost", counted(100))
    with freeze_time("2026-01-01T00:00:00Z") as clock:
        pro.subscribe("pro")
        pro.record(9, SET)
        clock.move_to("2026-01-20T00:00:00Z")
        (boost,) = pro.subscribe("boost")
        pro.record(3)
        assert pro.used() == 3
        pro.record(50, SET)
        pro.record(1)
        assert pro.used() == 51
        pro.cancel(boost.id)
        # In the base's longer window the add-on's SET also replaces what came before it.
        assert pro.used() == 51
        clock.move_to("2026-02-01T00:00:00Z")
        assert pro.past() == [("2026-01-01", 51)]


def test_what_was_taken_back_below_zero_stays_cut_in_whichever_window_it_is_counted(pro: Shop) -> None:
    pro.addon("boost", counted(100))
    with freeze_time("2026-01-01T00:00:00Z") as clock:
        pro.subscribe("pro")
        pro.record(5)
        clock.move_to("2026-01-20T00:00:00Z")
        (boost,) = pro.subscribe("boost")
        pro.record(2)
        assert pro.record(-10).consumption.used == 0  # only the 2 of the add-on's window could be taken back
        pro.record(1)
        pro.cancel(boost.id)
        assert pro.used() == 6


def test_a_take_back_made_in_the_longer_window_is_cut_at_zero_in_the_shorter(pro: Shop) -> None:
    pro.addon("boost", counted(100))
    with freeze_time("2026-01-01T00:00:00Z") as clock:
        pro.subscribe("pro")
        pro.record(5)
        clock.move_to("2026-01-20T00:00:00Z")
        pro.subscribe("boost")
        clock.move_to("2026-02-01T00:00:00Z")
        pro.record(3)
        clock.move_to("2026-02-20T00:00:00Z")  # the add-on's second window: [20 Feb, 20 Mar)
        pro.record(-4)
        pro.record(2)
        assert pro.used() == 2
        assert pro.past() == [("2026-01-20", 3)]


def test_a_change_to_another_reset_period_counts_the_ledger_anew(shop: Shop) -> None:
    shop.feature()
    shop.package("daily", counted(10, DAY))
    shop.package("yearly", counted(1000, YEAR))
    shop.user()
    with freeze_time("2026-01-01T00:00:00Z") as clock:
        (bought,) = shop.subscribe("daily")
        shop.record(7)
        clock.move_to("2026-01-02T00:00:00Z")
        shop.record(5)
        shop.change(bought.id, "yearly")
        assert (shop.used(), period(shop)) == (12, ("2026-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"))
        shop.record(1)
        shop.change(bought.id, "daily")
        assert (shop.used(), shop.past()) == (6, [("2026-01-01", 7)])


def test_many_questions_are_answered_in_their_order_and_each_for_itself(pro: Shop) -> None:
    pro.user("bob")
    pro.subscribe("pro")
    pro.record(10)

    def ask(user_id: str, feature_id: str) -> entitlements.Question:
        return pro.actor, CheckAccess(user_id=user_id, feature_id=feature_id)

    answers = entitlements.check_many(
        [ask("bob", "calls"), ask(NOWHERE, "calls"), ask("ada", "calls"), ask("ada", NOWHERE), ask("ada", "calls")],
    )
    assert [answer.reason if isinstance(answer, Entitlement) else type(answer) for answer in answers] == [
        NO_SUBSCRIPTION,
        UserNotFoundError,
        ALLOWANCE_EXHAUSTED,
        FeatureNotFoundError,
        ALLOWANCE_EXHAUSTED,
    ]
    assert entitlements.check_many([]) == []


def test_unknown_ids_are_errors_the_user_first(pro: Shop) -> None:
    for question in (pro.access, pro.usage):
        with pytest.raises(UserNotFoundError):
            question(user_id=NOWHERE, feature_id=NOWHERE)
        with pytest.raises(FeatureNotFoundError):
            question(user_id="ada", feature_id=NOWHERE)


def test_reads_write_nothing(pro: Shop) -> None:
    with freeze_time("2026-01-01T00:00:00Z") as clock:
        pro.subscribe("pro")
        pro.record(1)
        clock.move_to("2026-07-01T00:00:00Z")
        before = pro.rows()
        pro.access()
        pro.usage()
        assert pro.rows() == before


def test_a_sum_past_what_an_int_carries_is_capped_on_the_wire_and_still_decides(shop: Shop) -> None:
    shop.feature()
    shop.package("daily", counted(None, DAY))
    shop.package("yearly", counted(2**31 - 1, YEAR))
    shop.user()
    with freeze_time("2026-01-01T00:00:00Z") as clock:
        (bought,) = shop.subscribe("daily")
        shop.record(2**31 - 1)
        clock.move_to("2026-01-02T00:00:00Z")
        shop.record(2**31 - 1)
        shop.change(bought.id, "yearly")

        assert (shop.used(), shop.access().access) == (2**31 - 1, False)
        refused = shop.record(1)
        assert (refused.recorded, refused.consumption.used) == (False, 2**31 - 1)
        taken_back = shop.record(-1)
        assert (taken_back.recorded, taken_back.consumption.used) == (True, 2**31 - 1)
        assert shop.record(-(2**31) + 1).consumption.used == 2**31 - 2  # 2 × (2³¹−1) − 1 − (2³¹−1)
