"""The admin API: its SDL, and every resolver."""

from pathlib import Path

from app.graphql import features, packages, subscriptions, usage, users
from app.graphql.engine import read_sdl

SDL = Path(__file__).resolve().parents[2] / "schema" / "admin"

_TOPICS = (features, packages, users, subscriptions, usage)


def admin_sdl(*, limit_as_string: bool = False) -> str:
    """The schema as text.

    Kana's printed examples show `PackageFeature.limit` as a String, its tables as an Int. It is an Int here unless
    `limit_as_string`, for callers who rely on the examples.
    """
    sdl = read_sdl(SDL)
    if not limit_as_string:
        return sdl
    before, head, rest = sdl.partition("type PackageFeature {")
    return before + head + rest.replace("limit: Int", "limit: String", 1)


def register(schema_name: str) -> None:
    """Link every topic's resolvers to a schema."""
    for topic in _TOPICS:
        topic.register(schema_name)
