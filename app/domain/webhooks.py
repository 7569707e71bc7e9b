"""Webhooks that we send: which there are, and what can become of one."""

from enum import StrEnum


class WebhookEventType(StrEnum):
    """What endpoints can be told of."""

    USAGE_THRESHOLD = "usage.threshold"
    USAGE_LIMIT_REACHED = "usage.limit_reached"
    USAGE_RESET = "usage.reset"
    SUBSCRIPTION_CREATED = "subscription.created"
    SUBSCRIPTION_UPDATED = "subscription.updated"
    SUBSCRIPTION_CANCELLED = "subscription.cancelled"
    CHECKOUT_COMPLETED = "checkout.completed"
    CHECKOUT_FAILED = "checkout.failed"
    WEBHOOK_TEST = "webhook.test"
    """Sent on request alone, whatever the endpoint wants."""


class EndpointStatus(StrEnum):
    ENABLED = "ENABLED"
    DISABLED = "DISABLED"


class DeliveryStatus(StrEnum):
    """DEAD: given up, until somebody asks for it again."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"
