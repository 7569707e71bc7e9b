"""Webhooks that we send, over GraphQL."""

from functools import partial
from typing import Any

from app.contract.actors import Actor
from app.contract.shapes import build
from app.contract.webhooks import (
    CreateWebhookEndpoint,
    RedeliveredWebhooks,
    UpdateWebhookEndpoint,
    WebhookDelivery,
    WebhookEndpoint,
)
from app.domain.webhooks import DeliveryStatus
from app.edge.threads import in_thread
from app.graphql.arguments import listed, newest
from app.graphql.context import Context
from app.graphql.engine import resolver
from app.graphql.loaders import Loaders
from app.services import webhook_redelivery, webhooks

Request = Context[Actor, Loaders]


def register(schema_name: str) -> None:
    _register_endpoints(schema_name)
    _register_deliveries(schema_name)


def _register_endpoints(schema_name: str) -> None:
    @resolver(schema_name, "Query.webhookEndpoint")
    async def endpoint(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> WebhookEndpoint:
        return await in_thread(webhooks.get_webhook_endpoint, context.actor, arguments["id"])

    @resolver(schema_name, "Query.webhookEndpoints")
    async def endpoints(
        _parent: None, arguments: dict[str, Any], context: Request, _info: object
    ) -> list[WebhookEndpoint]:
        return await listed(partial(webhooks.list_webhook_endpoints, context.actor), arguments)

    @resolver(schema_name, "Mutation.createWebhookEndpoint")
    async def create(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> WebhookEndpoint:
        command = build(CreateWebhookEndpoint, arguments["input"])
        return await in_thread(webhooks.create_webhook_endpoint, context.actor, command)

    @resolver(schema_name, "Mutation.updateWebhookEndpoint")
    async def update(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> WebhookEndpoint:
        command = build(UpdateWebhookEndpoint, arguments["input"])
        return await in_thread(webhooks.update_webhook_endpoint, context.actor, arguments["id"], command)

    @resolver(schema_name, "Mutation.deleteWebhookEndpoint")
    async def delete(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> WebhookEndpoint:
        return await in_thread(webhooks.delete_webhook_endpoint, context.actor, arguments["id"])

    @resolver(schema_name, "Mutation.rollWebhookSecret")
    async def roll(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> WebhookEndpoint:
        return await in_thread(webhooks.roll_webhook_secret, context.actor, arguments["id"])


def _register_deliveries(schema_name: str) -> None:
    @resolver(schema_name, "Query.webhookDeliveries")
    async def deliveries(
        _parent: None, arguments: dict[str, Any], context: Request, _info: object
    ) -> list[WebhookDelivery]:
        status = arguments.get("status")
        asked = {"endpoint_id": arguments["endpointId"], "status": DeliveryStatus(status) if status else None}
        return await newest(partial(webhook_redelivery.list_webhook_deliveries, context.actor, **asked), arguments)

    @resolver(schema_name, "Mutation.sendTestWebhook")
    async def test(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> WebhookDelivery:
        return await in_thread(webhook_redelivery.send_test_webhook, context.actor, arguments["endpointId"])

    @resolver(schema_name, "Mutation.redeliverWebhook")
    async def redeliver(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> WebhookDelivery:
        return await in_thread(webhook_redelivery.redeliver_webhook, context.actor, arguments["deliveryId"])

    @resolver(schema_name, "Mutation.redeliverDeadWebhooks")
    async def redeliver_dead(
        _parent: None, arguments: dict[str, Any], context: Request, _info: object
    ) -> RedeliveredWebhooks:
        return await in_thread(webhook_redelivery.redeliver_dead_webhooks, context.actor, arguments["endpointId"])
