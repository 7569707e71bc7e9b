"""The header `Idempotency-Key`: REST's way to give a command its idempotency key."""

from typing import Annotated, TypeVar

from litestar.params import HeaderParameter
from msgspec.structs import replace

from app.contract.reservations import ReserveUsage
from app.contract.usage import RecordUsage
from app.domain.values import KEY_MAX_CHARACTERS, check_text
from app.errors import InvalidInputError
from app.rest.parameters import KEY_HEADER

KeyHeader = Annotated[
    str | None,
    HeaderParameter(
        name=KEY_HEADER,
        description="The same as `idempotencyKey` in the body: give it in one of the two places. ASCII.",
    ),
]


K = TypeVar("K", RecordUsage, ReserveUsage)


def with_key(command: K, header: str | None) -> K:
    """The command with the idempotency key of the header, if there is one.

    Raises:
        InvalidInputError: the header is no key, or says something else than the body.
    """
    if header is None:
        return command
    check_text(KEY_HEADER, header, at_least=1, at_most=KEY_MAX_CHARACTERS)
    # Beyond ASCII no two clients encode a header alike, and one key would become two: usage counted twice.
    if not header.isascii():
        raise InvalidInputError(KEY_HEADER, "must be ASCII; send other keys as idempotencyKey in the body")
    if command.idempotency_key not in (None, header):
        raise InvalidInputError(KEY_HEADER, "differs from idempotencyKey in the body")
    return replace(command, idempotency_key=header)
