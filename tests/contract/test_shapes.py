"""What is wrong with a command is told by the path of the value, however deep it stands."""

import msgspec
import pytest

from app.contract.shapes import build, invalid_input
from app.contract.usage import RecordUsages

GOOD = {"userId": "ada", "featureId": "calls"}


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ({"delta": 0}, "events[3].delta", "must not be 0: adding nothing is most likely a mistake"),
        ({"delta": "1"}, "events[3].delta", "Expected `int`, got `str`"),
        ({"userId": ""}, "events[3].userId", "must not be empty"),
        ({"timestamp": "0001-01-01T00:00:00+01:00"}, "events[3].timestamp", "must be a moment that exists in UTC"),
        ({"colour": "red"}, "events[3].colour", "Object contains unknown field `colour`"),
    ],
)
def test_a_command_within_a_command_is_refused_at_its_place(
    change: dict[str, object], field: str, problem: str
) -> None:
    asked = {"events": [GOOD, GOOD, GOOD, GOOD | change]}
    with pytest.raises(ValueError, match=problem) as built:
        build(RecordUsages, asked)
    with pytest.raises(msgspec.ValidationError) as decoded:
        msgspec.json.decode(msgspec.json.encode(asked), type=RecordUsages)

    for refusal in (built.value, invalid_input(decoded.value)):
        assert (refusal.field, refusal.problem) == (field, problem)
