"""Billing templates over GraphQL."""

from functools import partial
from typing import Any

from app.contract.actors import Actor
from app.contract.billing import BillingTemplate, CreateBillingTemplate, UpdateBillingTemplate
from app.contract.shapes import build
from app.edge.threads import in_thread
from app.graphql.arguments import listed
from app.graphql.context import Context
from app.graphql.engine import resolver
from app.graphql.loaders import Loaders
from app.services import billing

Request = Context[Actor, Loaders]


def register(schema_name: str) -> None:
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
