"""API keys: what they look like and what each kind is for."""

import re
from enum import StrEnum


class KeyKind(StrEnum):
    """SECRET keys (`prv_…`) may do everything; PUBLIC ones (`pub_…`) are for browsers and the client API only."""

    SECRET = "SECRET"  # noqa: S105 — the name of a kind, not a secret
    PUBLIC = "PUBLIC"


PREFIX = {KeyKind.SECRET: "prv", KeyKind.PUBLIC: "pub"}

# Keys that we give out have 32 hex digits; those from elsewhere are looked up at any length, within reason.
_KEY = re.compile(r"(?P<prefix>prv|pub)_(?:test|live)_[0-9A-Za-z]{8,128}", re.ASCII)


def kind_of(presented: str) -> KeyKind | None:
    """What kind of key this looks like; None if it is no key at all."""
    shape = _KEY.fullmatch(presented)
    return next(kind for kind, prefix in PREFIX.items() if prefix == shape["prefix"]) if shape else None
