"""What a call may say: a reader for each parameter, and an error in Stripe's words for everything else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.gateways.stripe_double.problems import (
    bad_parameter,
    missing_parameter,
    unknown_parameter,
)

Reader = Callable[[Any, str], Any]

_METADATA_KEYS, _KEY_LENGTH, _VALUE_LENGTH = 50, 40, 500


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a call, or of a group inside one. `expand` every call has."""

    required: Mapping[str, Reader]
    optional: Mapping[str, Reader]

    def __call__(self, given: Any, where: str) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise bad_parameter("Invalid object", where)
        for name in given:
            if name not in self.required and name not in self.optional:
                raise unknown_parameter(_inside(where, name))
        for name in self.required:
            if given.get(name, "") == "":
                raise missing_parameter(_inside(where, name))
        readers = {**self.required, **self.optional}
        return {name: readers[name](value, _inside(where, name)) for name, value in given.items()}


def parameters(required: Mapping[str, Reader] | None = None, /, **optional: Reader) -> Parameters:
    """Those in `required` must be there, and have a value."""
    return Parameters(required or {}, optional)


def text(value: Any, where: str) -> str:
    """Any text; an empty one takes a value away."""
    if not isinstance(value, str):
        raise bad_parameter("Invalid string", where)
    return value


def number(value: Any, where: str) -> int:
    """A whole number."""
    if not isinstance(value, str) or not value.removeprefix("-").isdecimal():
        raise bad_parameter(f"Invalid integer: {value}", where, "parameter_invalid_integer")
    return int(value)


def flag(value: Any, where: str) -> bool:
    """`true` or `false`."""
    if value not in ("true", "false"):
        raise bad_parameter(f"Invalid boolean: {value}", where)
    return bool(value == "true")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    def __call__(self, value: Any, where: str) -> str:
        if value not in self.words:
            listed = ", ".join(self.words[:-1]) + f"{' or ' if len(self.words) > 1 else ''}{self.words[-1]}"
            raise bad_parameter(f"Invalid {where}: must be one of {listed}", where)
        return str(value)


def choice(*words: str) -> Choice:
    """One of these words."""
    return Choice(words)


def url(value: Any, where: str) -> str:
    """An absolute http or https address."""
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise bad_parameter("Not a valid URL", where, "url_invalid")
    return value


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of such values."""

    reader: Reader

    def __call__(self, value: Any, where: str) -> list[Any]:
        if value == "":
            return []
        if not isinstance(value, list):
            raise bad_parameter("Invalid array", where)
        return [self.reader(each, f"{where}[{number}]") for number, each in enumerate(value)]


@dataclass(frozen=True, slots=True)
class OrEmpty:
    """Such a value, or an empty text, which takes it away."""

    reader: Reader

    def __call__(self, value: Any, where: str) -> Any:
        return None if value == "" else self.reader(value, where)


def metadata(value: Any, where: str) -> dict[str, str]:
    """At most 50 texts of at most 500 characters. An empty one takes the key away, and an empty whole takes all."""
    if value == "":
        return {}
    if isinstance(value, list):
        # Keys that are numbers look like a list in a form.
        value = {str(number): each for number, each in enumerate(value)}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise bad_parameter("Invalid object", where)
    if len(value) > _METADATA_KEYS:
        raise bad_parameter(f"Metadata can have at most {_METADATA_KEYS} keys", where)
    for name, each in value.items():
        if len(name) > _KEY_LENGTH or len(each) > _VALUE_LENGTH:
            raise bad_parameter(f"Metadata key or value too long: {name}", where)
    return value


def merged_metadata(old: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """What an update leaves: named keys change, those named with an empty text go."""
    return {name: value for name, value in {**old, **given}.items() if value != ""}


def moment_range(value: Any, where: str) -> dict[str, int]:
    """One second, or the bounds `gt`, `gte`, `lt`, `lte`."""
    if isinstance(value, dict):
        return Parameters({}, dict.fromkeys(("gt", "gte", "lt", "lte"), number))(value, where)
    second = number(value, where)
    return {"gte": second, "lte": second}


def in_range(moment: int, bounds: Mapping[str, int] | None) -> bool:
    """Whether a moment is within what `moment_range` read."""
    fits = {
        "gt": lambda bound: moment > bound,
        "gte": lambda bound: moment >= bound,
        "lt": lambda bound: moment < bound,
        "lte": lambda bound: moment <= bound,
    }
    return all(fits[name](bound) for name, bound in (bounds or {}).items())


PAGING: Mapping[str, Reader] = {"limit": number, "starting_after": text, "ending_before": text}


def _inside(where: str, name: str) -> str:
    return f"{where}[{name}]" if where else name


def decimal(value: Any, where: str) -> float:
    """A number with or without a fraction, such as `0.25`."""
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise bad_parameter(f"Invalid decimal: {value}", where) from error
