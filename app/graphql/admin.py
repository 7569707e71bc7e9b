"""Every resolver of the admin API."""

from app.graphql import (
    billing,
    explanations,
    features,
    packages,
    reservations,
    subscriptions,
    usage,
    usage_history,
    users,
    webhooks,
)

_TOPICS = (
    features,
    packages,
    users,
    subscriptions,
    usage,
    usage_history,
    explanations,
    reservations,
    billing,
    webhooks,
)


def register(schema_name: str) -> None:
    """Link every topic's resolvers to a schema."""
    for topic in _TOPICS:
        topic.register(schema_name)
