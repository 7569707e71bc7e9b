"""Webhooks that we send, over REST."""

from typing import Annotated

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from app.contract.actors import Actor
from app.contract.shapes import Page, PageRequest
from app.contract.webhooks import (
    CreateWebhookEndpoint,
    RedeliveredWebhooks,
    UpdateWebhookEndpoint,
    WebhookDelivery,
    WebhookEndpoint,
)
from app.domain.webhooks import DeliveryStatus
from app.edge.threads import in_thread
from app.rest.parameters import WebhookDeliveryId, WebhookEndpointId
from app.rest.problems import read_problems, write_problems
from app.services import webhook_redelivery, webhooks


class WebhookEndpoints(Controller):
    path = "/webhook-endpoints"
    tags = ("Webhooks",)

    @post(operation_id="createWebhookEndpoint", summary="Create a webhook endpoint", responses=write_problems(409))
    async def create(self, actor: NamedDependency[Actor], data: JSONBody[CreateWebhookEndpoint]) -> WebhookEndpoint:
        """Keep the `secret` of the answer: it is not shown again."""
        return await in_thread(webhooks.create_webhook_endpoint, actor, data)

    @get(operation_id="webhookEndpoints", summary="List webhook endpoints", responses=read_problems())
    async def list_page(
        self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]
    ) -> Page[WebhookEndpoint]:
        """Oldest first, in pages."""
        return await in_thread(webhooks.list_webhook_endpoints, actor, page)

    @get(
        "/{webhookEndpointId:str}",
        operation_id="webhookEndpoint",
        summary="Get a webhook endpoint",
        responses=read_problems(404),
    )
    async def read(self, actor: NamedDependency[Actor], endpoint_id: WebhookEndpointId) -> WebhookEndpoint:
        """One endpoint, without its secret."""
        return await in_thread(webhooks.get_webhook_endpoint, actor, endpoint_id)

    @patch(
        "/{webhookEndpointId:str}",
        operation_id="updateWebhookEndpoint",
        summary="Update a webhook endpoint",
        responses=write_problems(404),
    )
    async def update(
        self, actor: NamedDependency[Actor], endpoint_id: WebhookEndpointId, data: JSONBody[UpdateWebhookEndpoint]
    ) -> WebhookEndpoint:
        """Changes, enables or disables it. What waits for an endpoint that is disabled is given up."""
        return await in_thread(webhooks.update_webhook_endpoint, actor, endpoint_id, data)

    @delete(
        "/{webhookEndpointId:str}",
        operation_id="deleteWebhookEndpoint",
        summary="Delete a webhook endpoint",
        responses=read_problems(404),
        status_code=200,
    )
    async def remove(self, actor: NamedDependency[Actor], endpoint_id: WebhookEndpointId) -> WebhookEndpoint:
        """Deletes it with all that was or would be sent to it. Answers with what it was."""
        return await in_thread(webhooks.delete_webhook_endpoint, actor, endpoint_id)

    @post(
        "/{webhookEndpointId:str}/roll-secret",
        operation_id="rollWebhookSecret",
        summary="Roll the secret of a webhook endpoint",
        responses=read_problems(404),
        status_code=200,
    )
    async def roll(self, actor: NamedDependency[Actor], endpoint_id: WebhookEndpointId) -> WebhookEndpoint:
        """Signs with a new `secret`, which is in the answer. The one before it signs too for 24 hours."""
        return await in_thread(webhooks.roll_webhook_secret, actor, endpoint_id)

    @post(
        "/{webhookEndpointId:str}/test",
        operation_id="sendTestWebhook",
        summary="Send a test webhook",
        responses=read_problems(404, 409),
        status_code=200,
    )
    async def test(self, actor: NamedDependency[Actor], endpoint_id: WebhookEndpointId) -> WebhookDelivery:
        """Sends a `webhook.test`, whatever the endpoint wants to be told."""
        return await in_thread(webhook_redelivery.send_test_webhook, actor, endpoint_id)

    @get(
        "/{webhookEndpointId:str}/deliveries",
        operation_id="webhookDeliveries",
        summary="List webhook deliveries",
        responses=read_problems(404),
    )
    async def deliveries(
        self,
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        endpoint_id: WebhookEndpointId,
        status: Annotated[
            DeliveryStatus | None, QueryParameter(name="status", description="Only those of this status.")
        ] = None,
    ) -> Page[WebhookDelivery]:
        """Newest first, in pages. With `status=DEAD` it is what was given up."""
        return await in_thread(webhook_redelivery.list_webhook_deliveries, actor, page, endpoint_id, status)

    @post(
        "/{webhookEndpointId:str}/redeliver",
        operation_id="redeliverDeadWebhooks",
        summary="Redeliver dead webhooks",
        responses=read_problems(404, 409),
        status_code=200,
    )
    async def redeliver(self, actor: NamedDependency[Actor], endpoint_id: WebhookEndpointId) -> RedeliveredWebhooks:
        """Sends again what was given up of this endpoint: in one call the oldest 10,000."""
        return await in_thread(webhook_redelivery.redeliver_dead_webhooks, actor, endpoint_id)


class WebhookDeliveries(Controller):
    path = "/webhook-deliveries"
    tags = ("Webhooks",)

    @post(
        "/{webhookDeliveryId:str}/redeliver",
        operation_id="redeliverWebhook",
        summary="Redeliver a webhook",
        responses=read_problems(404, 409),
        status_code=200,
    )
    async def redeliver(self, actor: NamedDependency[Actor], delivery_id: WebhookDeliveryId) -> WebhookDelivery:
        """Sends it once more, with the same message id and content."""
        return await in_thread(webhook_redelivery.redeliver_webhook, actor, delivery_id)
