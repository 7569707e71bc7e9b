"""The arguments of a field, compiled to one function of the variables.

In place of `tartiflette.coercers.arguments` and `tartiflette.coercers.argument`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tartiflette.constants import UNDEFINED_VALUE

from app.graphql.engine.fast.library import is_hooked, refuse
from app.graphql.engine.fast.literals import given_or_default

Arguments = Callable[[Mapping[str, Any]], dict[str, Any]]


def arguments_of(definition: Any, node: Any) -> Arguments:
    """The function that makes the arguments for a field's resolver. It raises LeftToLibraryError for what is to be refused."""
    if any(is_hooked(argument.coercer.keywords["directives"]) for argument in definition.arguments.values()):
        return refuse
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    readers = [(name, given_or_default(argument, given.get(name))) for name, argument in definition.arguments.items()]

    def read(variables: Mapping[str, Any]) -> dict[str, Any]:
        values = {}
        for name, read_value in readers:
            value = read_value(variables)
            if value is not UNDEFINED_VALUE:
                values[name] = value
        return values

    return read
