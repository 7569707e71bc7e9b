"""What the gate raises. The engine hands these to the error coercer like its own errors (`app/graphql/errors.py` gives
them their codes).
"""

from collections.abc import Iterable

from tartiflette.language.ast import Location
from tartiflette.types.exceptions.tartiflette import GraphQLSyntaxError, TartifletteError


class SyntaxRefusedError(GraphQLSyntaxError):
    """The text is not GraphQL."""

    def __init__(self, problem: str, line_and_column: tuple[int, int]) -> None:
        super().__init__(f"Syntax error: {problem}", locations=[_point(*line_and_column)])


class DocumentRefusedError(TartifletteError):
    """The document is GraphQL, but too much of it."""


class RuleBrokenError(TartifletteError):
    """The document breaks a validation rule of the specification that tartiflette does not check, or not rightly."""

    def __init__(self, problem: str, locations: Iterable[Location | None] = ()) -> None:
        super().__init__(problem, locations=list(locations))


class VariableRefusedError(TartifletteError):
    """A variable's value does not fit its declared type. The value is not repeated: it may be most of a megabyte."""

    def __init__(self, variable: str, problem: TartifletteError) -> None:
        super().__init__(f"Variable ${variable} got an invalid value: {problem.message}", locations=problem.locations)


def location_of(loc: dict[str, dict[str, int]]) -> Location:
    """The engine's form of a location in the parser's JSON."""
    return _point(loc["start"]["line"], loc["start"]["column"])


def _point(line: int, column: int) -> Location:
    return Location(line=line, column=column, line_end=line, column_end=column)
