"""The bounds of single values: the last one that passes, the first that does not, and what the refusal says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.values import (
    INT32_MAX,
    check_id,
    check_metadata,
    check_optional_text,
    check_range,
    check_text,
)
from app.errors import InvalidInputError

# C0, DEL and C1, as Unicode lists them; then the first and last halves of surrogate pairs.
CONTROL_CHARACTERS = [chr(code) for code in [*range(0x20), 0x7F, *range(0x80, 0xA0)]]
HALF_SURROGATES = ["\ud800", "\udbff", "\udc00", "\udfff"]
EMOJI = "\N{GRINNING FACE}"  # one character, four bytes as UTF-8

NOT_JSON = "must be a JSON value"
NOT_STORABLE = "must not contain the character U+0000 or half a surrogate pair"
TOO_DEEP = "must not be nested deeper than 16 levels"


def problem_of(check: Any, *arguments: Any, **bounds: Any) -> str | None:
    """What the check finds wrong with a value of the field `features[0].id`; None if it passes."""
    field = "features[0].id"
    try:
        check(field, *arguments, **bounds)
    except InvalidInputError as caught:
        refusal = caught
    else:
        return None
    assert refusal.field == field
    assert refusal.code == "BAD_USER_INPUT"
    assert refusal.message == f"{field}: {refusal.problem}"
    return refusal.problem


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a" * 255,
        EMOJI * 255,
        " ",
        "Grüße, 世界",
        "e\N{COMBINING ACUTE ACCENT}",
        "zero\N{ZERO WIDTH JOINER}width",
        "hard\N{NO-BREAK SPACE}space",
        "line\N{LINE SEPARATOR}separator",
        "\uffff",
        '<a href="x">\'--',
    ],
)
def test_an_id_of_1_to_255_visible_characters_passes(text: str) -> None:
    assert problem_of(check_id, text) is None
    assert problem_of(check_text, text) is None


def test_an_empty_id_is_refused_and_an_empty_text_is_not() -> None:
    assert problem_of(check_id, "") == "must not be empty"
    assert problem_of(check_text, "", at_least=1) == "must not be empty"
    assert problem_of(check_text, "") is None


@pytest.mark.parametrize("character", ["a", EMOJI])
def test_length_is_counted_in_characters_up_to_255(character: str) -> None:
    assert problem_of(check_id, character * 256) == "must have at most 255 characters, has 256"
    assert problem_of(check_text, character * 256) == "must have at most 255 characters, has 256"
    assert problem_of(check_text, character * 10, at_most=10) is None
    assert problem_of(check_text, character * 11, at_most=10) == "must have at most 10 characters, has 11"


@pytest.mark.parametrize("position", [0, 3, 254])
def test_every_control_character_and_half_surrogate_is_refused_wherever_it_is(position: int) -> None:
    assert len(CONTROL_CHARACTERS) == 65
    for character in CONTROL_CHARACTERS + HALF_SURROGATES:
        text = "a" * position + character + "a" * (254 - position)
        expected = f"must not contain control characters (one is at position {position})"
        assert problem_of(check_id, text) == problem_of(check_text, text) == expected


@given(text=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=255))
def test_any_other_text_passes_and_can_be_stored_as_utf_8(text: str) -> None:
    assert problem_of(check_id, text) is None
    assert text.encode().decode() == text


@pytest.mark.parametrize("absent", [None, object()])
def test_an_optional_text_may_be_absent(absent: object) -> None:
    assert problem_of(check_optional_text, absent) is None


def test_an_optional_text_that_is_there_is_checked_like_any_text() -> None:
    assert problem_of(check_optional_text, "") is None
    assert problem_of(check_optional_text, "a" * 255) is None
    assert problem_of(check_optional_text, "a" * 256) == "must have at most 255 characters, has 256"
    assert problem_of(check_optional_text, "a\n") == "must not contain control characters (one is at position 1)"


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        (-1, "must be between 0 and 2147483647, is -1"),
        (0, None),
        (INT32_MAX, None),
        (2**31, "must be between 0 and 2147483647, is 2147483648"),
    ],
)
def test_a_range_includes_both_bounds_and_ends_at_the_32_bit_maximum(number: int, problem: str | None) -> None:
    assert problem_of(check_range, number, at_least=0) == problem


def test_a_range_may_have_bounds_of_its_own() -> None:
    assert problem_of(check_range, -5, at_least=-5, at_most=-5) is None
    assert problem_of(check_range, -4, at_least=-5, at_most=-5) == "must be between -5 and -5, is -4"
    assert problem_of(check_range, -INT32_MAX - 1, at_least=-INT32_MAX) == (
        "must be between -2147483647 and 2147483647, is -2147483648"
    )


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        True,
        0,
        -1.5,
        10**40,
        "",
        "text",
        [],
        {},
        {"": ""},
        {"line": "a\nb\t\x01"},
        {"a": [1, {"b": None}]},
        "\uffff",
    ],
)
def test_any_json_value_is_metadata(metadata: object) -> None:
    assert problem_of(check_metadata, metadata) is None


@pytest.mark.parametrize("character", ["a", "é", EMOJI])
def test_metadata_is_at_most_16_kib_as_compact_utf_8(character: str) -> None:
    room = 16 * 1024 - len('{"note":""}')
    width = len(character.encode())
    full = {"note": character * (room // width) + "x" * (room % width)}

    assert problem_of(check_metadata, full) is None
    assert problem_of(check_metadata, {"note": full["note"] + "x"}) == "must be at most 16384 bytes as JSON, is 16385"
    assert problem_of(check_metadata, {"note": full["note"][:-1]}) is None


def test_metadata_is_measured_with_what_json_has_to_escape() -> None:
    assert problem_of(check_metadata, '"' * 8191) is None
    assert problem_of(check_metadata, '"' * 8192) == "must be at most 16384 bytes as JSON, is 16386"


def nested(levels: int, innermost: object, *, in_objects: bool) -> Any:
    """`innermost` inside that many lists or objects."""
    value = innermost
    for _ in range(levels):
        value = {"a": value} if in_objects else [value]
    return value


@pytest.mark.parametrize(
    ("number", "digits"), [(1e308, 309), (-1e308, 310), (5e-324, 326), (1e16, 17), (0.5, 3)], ids=str
)
def test_metadata_is_measured_with_its_numbers_written_out(number: float, digits: int) -> None:
    fitting, rest = divmod(16384 - len("[") - len("]") + len(","), digits + len(","))

    assert problem_of(check_metadata, [number] * fitting) is None
    size = 16384 - rest + digits + len(",")
    assert problem_of(check_metadata, [number] * (fitting + 1)) == f"must be at most 16384 bytes as JSON, is {size}"


@pytest.mark.parametrize("in_objects", [True, False])
def test_metadata_has_at_most_16_levels_of_objects_and_lists(in_objects: bool) -> None:
    for innermost in (None, 1, "text"):
        assert problem_of(check_metadata, nested(16, innermost, in_objects=in_objects)) is None
        assert problem_of(check_metadata, nested(17, innermost, in_objects=in_objects)) == TOO_DEEP
    for container in ([], {}):
        assert problem_of(check_metadata, nested(15, container, in_objects=in_objects)) is None
        assert problem_of(check_metadata, nested(16, container, in_objects=in_objects)) == TOO_DEEP


def test_metadata_that_is_deeper_than_the_stack_or_contains_itself_is_refused() -> None:
    around: list[Any] = []
    around.append(around)

    assert problem_of(check_metadata, nested(100_000, None, in_objects=False)) == TOO_DEEP
    assert problem_of(check_metadata, around) == TOO_DEEP


@pytest.mark.parametrize("text", ["\0", "a\0b", *HALF_SURROGATES, f"{EMOJI}\ud83d"])
def test_metadata_cannot_hold_what_jsonb_cannot_store_in_values_or_keys(text: str) -> None:
    for metadata in (text, [text], {"a": text}, {text: 1}, {"a": [{"b": {text: None}}]}):
        assert problem_of(check_metadata, metadata) == NOT_STORABLE


@pytest.mark.parametrize(
    "metadata",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        10**5000,
        b"bytes",
        {1, 2},
        object(),
        (1, 2),
        {1: "a"},
        {None: "a"},
        {(1, 2): "a"},
        {float("nan"): 1},
    ],
    ids=lambda metadata: f"{type(metadata).__name__}",
)
def test_what_json_cannot_say_is_not_metadata(metadata: object) -> None:
    assert problem_of(check_metadata, metadata) == NOT_JSON
    assert problem_of(check_metadata, {"a": [metadata]}) == NOT_JSON


texts = st.text(st.characters() | st.sampled_from(["\0", "\ud83d", "\udc00"]), max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=20,
)


@given(metadata=json_values)
def test_metadata_of_a_few_values_passes_exactly_when_it_is_shallow_and_storable(metadata: object) -> None:
    storable = all("\0" not in text and is_utf_8(text) for text in texts_of(metadata))
    passes = storable and levels_of(metadata) <= 16

    assert (problem_of(check_metadata, metadata) is None) == passes


def levels_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(levels_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(levels_of, value), default=0)
    return 0


def texts_of(value: object) -> list[str]:
    if isinstance(value, dict):
        return [*value, *texts_of(list(value.values()))]
    if isinstance(value, list):
        return [text for item in value for text in texts_of(item)]
    return [value] if isinstance(value, str) else []


def is_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
