"""Where tartiflette must do something itself."""

from typing import Any, NoReturn

from tartiflette.utils.directives import (
    default_argument_execution_directive,
    default_directive_callable,
    default_post_input_coercion_directive,
)

# What tartiflette calls where no directive of the schema has anything to do.
_NO_HOOK = (
    None,
    default_argument_execution_directive,
    default_directive_callable,
    default_post_input_coercion_directive,
)


class LeftToLibraryError(Exception):
    """A plan cannot do this: it holds something that plans do not know, or a value is to be refused."""


def refuse(_value: Any) -> NoReturn:
    """The function in the place of those that always refuse."""
    raise LeftToLibraryError


def is_hooked(directives: Any) -> bool:
    """Whether a directive of the schema runs code of its own here."""
    return directives not in _NO_HOOK
