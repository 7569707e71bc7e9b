"""DateTime and JSON, as values of variables, as literals and as answers."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from tartiflette.constants import UNDEFINED_VALUE
from tartiflette.language.ast import IntValueNode, StringValueNode

from app.graphql.scalars import DateTime, with_scalars

MOMENT = datetime(2022, 8, 10, 15, 7, 1, 803_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2022-08-10T15:07:01.803Z", MOMENT),
        ("2022-08-10T17:07:01.803+02:00", MOMENT),
        ("2022-08-10T15:07:01.803999Z", MOMENT),
        ("2022-08-10T15:07:01.803999444Z", MOMENT),
        ("2022-08-10 15:07:01.803z", MOMENT),
        ("2022-08-10T15:07:01Z", MOMENT.replace(microsecond=0)),
        ("2022-08-10T15:07:01.8Z", MOMENT.replace(microsecond=800_000)),
    ],
)
def test_a_moment_is_read_as_aware_utc_to_the_millisecond(text, moment):
    for read in (DateTime().coerce_input(text), DateTime().parse_literal(StringValueNode(text))):
        assert (read, read.tzinfo) == (moment, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2022-08-10",
        "2022-08-10T15:07:01",
        "2022-08-10 15:07:01",
        "20220810T150701Z",
        "2022-W32-3T15:07:01Z",
        "2022-02-30T00:00:00Z",
        "2022-08-10T24:07:01Z",
        "0001-01-01T00:00:00+14:00",
        "٢٠٢٢-08-10T15:07:01Z",
        "",
        1660144021,
        None,
    ],
)
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(TypeError, match=r"^DateTime must be"):
        DateTime().coerce_input(text)
    assert DateTime().parse_literal(StringValueNode(text)) is UNDEFINED_VALUE


def test_a_number_is_no_moment_as_a_literal_either():
    assert DateTime().parse_literal(IntValueNode(5)) is UNDEFINED_VALUE


def test_a_moment_is_shown_in_utc_with_three_decimals():
    in_another_zone = MOMENT.astimezone(timezone(timedelta(hours=-7)))
    assert DateTime().coerce_output(in_another_zone) == "2022-08-10T15:07:01.803Z"
    assert DateTime().coerce_output("2022-08-10T15:07:01.803Z") == "2022-08-10T15:07:01.803Z"


@pytest.mark.parametrize("value", [MOMENT.replace(tzinfo=None), "2022-08-10T15:07:01Z", "soon", 5])
def test_what_is_not_ready_for_the_wire_is_a_fault(value):
    with pytest.raises(TypeError):
        DateTime().coerce_output(value)


def test_scalars_are_declared_once():
    sdl = "scalar JSON\ntype Query { scalar: JSON }"
    assert with_scalars(sdl) == f"{sdl}\nscalar DateTime"
    assert with_scalars(with_scalars(sdl)) == with_scalars(sdl)
