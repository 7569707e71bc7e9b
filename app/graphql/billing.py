"""Billing templates and links to pay by, over GraphQL."""

from functools import partial
from typing import Any

from app.contract.actors import Actor
from app.contract.billing import (
    BillingTemplate,
    CreateBillingTemplate,
    GeneratePortalLink,
    GenerateSubscriptionLink,
    PortalLink,
    SubscriptionLink,
    UpdateBillingTemplate,
)
from app.contract.shapes import build
from app.domain.billing import SubscriptionLinkStatus
from app.edge.checkout_links import generate_link
from app.edge.portal_links import generate_portal_link
from app.edge.threads import in_thread
from app.errors import SubscriptionLinkError
from app.graphql.arguments import listed
from app.graphql.context import Context
from app.graphql.engine import resolver
from app.graphql.loaders import Loaders
from app.services import billing, checkout_links

Request = Context[Actor, Loaders]


def register(schema_name: str) -> None:
    _register_templates(schema_name)
    _register_links(schema_name)


def _register_templates(schema_name: str) -> None:
    @resolver(schema_name, "Query.billingTemplate")
    async def template(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> BillingTemplate:
        return await in_thread(billing.get_billing_template, context.actor, arguments["id"])

    @resolver(schema_name, "Query.billingTemplates")
    async def templates(
        _parent: None, arguments: dict[str, Any], context: Request, _info: object
    ) -> list[BillingTemplate]:
        read = partial(billing.list_billing_templates, context.actor, package_id=arguments.get("packageId"))
        return await listed(read, arguments)

    @resolver(schema_name, "Mutation.createBillingTemplate")
    async def create(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> BillingTemplate:
        command = build(CreateBillingTemplate, arguments["input"])
        return await in_thread(billing.create_billing_template, context.actor, command)

    @resolver(schema_name, "Mutation.updateBillingTemplate")
    async def update(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> BillingTemplate:
        command = build(UpdateBillingTemplate, arguments["input"])
        return await in_thread(billing.update_billing_template, context.actor, arguments["id"], command)


def _register_links(schema_name: str) -> None:
    @resolver(schema_name, "Query.subscriptionLink")
    async def link(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> SubscriptionLink:
        return _with_url(await in_thread(checkout_links.get_link, context.actor, arguments["id"]))

    @resolver(schema_name, "Mutation.generateSubscriptionLink")
    async def generate(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> SubscriptionLink:
        return await _generated(context.actor, arguments)

    @resolver(schema_name, "Mutation.generateSubscriptionLinks")
    async def generate_too(
        _parent: None, arguments: dict[str, Any], context: Request, _info: object
    ) -> SubscriptionLink:
        return await _generated(context.actor, arguments)

    @resolver(schema_name, "Mutation.generatePortalLink")
    async def portal(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> PortalLink:
        command = build(GeneratePortalLink, {"returnUrl": arguments["returnUrl"]})
        return await generate_portal_link(context.actor, arguments["userId"], command)


async def _generated(actor: Actor, arguments: dict[str, Any]) -> SubscriptionLink:
    return _with_url(await generate_link(actor, build(GenerateSubscriptionLink, arguments)))


def _with_url(link: SubscriptionLink) -> SubscriptionLink:
    """The link with its URL, which Kana's schema promises.

    Raises:
        SubscriptionLinkError: it is not made yet, or never will be, and why.
    """
    if link.url is not None:
        return link
    if link.status is SubscriptionLinkStatus.PENDING:
        raise SubscriptionLinkError(
            f"The link is still being made. Ask again in a moment: for a user the same call finds it, "
            f'and subscriptionLink(id: "{link.id}") finds it always.'
        )
    raise SubscriptionLinkError(link.error or "The link could not be made.")
