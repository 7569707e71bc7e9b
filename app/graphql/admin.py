"""The admin API's engine: its SDL, and every resolver."""

from pathlib import Path

from app.graphql import features, packages, subscriptions, usage, users
from app.graphql.engine import Engine, cook_engine, read_sdl

SDL = Path(__file__).resolve().parents[2] / "schema" / "admin"

_TOPICS = (features, packages, users, subscriptions, usage)


async def cook_admin_engine() -> Engine:
    """The engine behind `/graphql`."""
    return await cook_engine(read_sdl(SDL), register)


def register(schema_name: str) -> None:
    """Link every topic's resolvers to a schema."""
    for topic in _TOPICS:
        topic.register(schema_name)
