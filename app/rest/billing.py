"""Billing templates and links to pay by, over REST."""

from typing import Annotated, Any

from litestar import Controller, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody, QueryParameter
from litestar.status_codes import HTTP_202_ACCEPTED

from app.contract.actors import Actor
from app.contract.billing import (
    BillingTemplate,
    CreateBillingTemplate,
    GenerateSubscriptionLink,
    SubscriptionLink,
    UpdateBillingTemplate,
)
from app.contract.shapes import Page, PageRequest
from app.domain.billing import SubscriptionLinkStatus
from app.edge.checkout_links import generate_link
from app.edge.threads import in_thread
from app.rest.parameters import BillingTemplateId, SubscriptionLinkId
from app.rest.paths import PREFIX
from app.rest.problems import read_problems, write_problems
from app.services import billing, checkout_links


class BillingTemplates(Controller):
    path = "/billing-templates"
    tags = ("Billing",)

    @post(operation_id="createBillingTemplate", summary="Create a billing template", responses=write_problems(404, 409))
    async def create(self, actor: NamedDependency[Actor], data: JSONBody[CreateBillingTemplate]) -> BillingTemplate:
        """Of a price that exists at Stripe, or of one to be made there. PENDING until Stripe has answered."""
        return await in_thread(billing.create_billing_template, actor, data)

    @get(operation_id="billingTemplates", summary="List billing templates", responses=read_problems(404))
    async def list_page(
        self,
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        package_id: Annotated[str | None, QueryParameter(name="packageId", description="Only this package's.")] = None,
    ) -> Page[BillingTemplate]:
        """All or one package's, oldest first, in pages."""
        return await in_thread(billing.list_billing_templates, actor, page, package_id)

    @get(
        "/{billingTemplateId:str}",
        operation_id="billingTemplate",
        summary="Get a billing template",
        responses=read_problems(404),
    )
    async def read(self, actor: NamedDependency[Actor], template_id: BillingTemplateId) -> BillingTemplate:
        """One template, whatever its status."""
        return await in_thread(billing.get_billing_template, actor, template_id)

    @patch(
        "/{billingTemplateId:str}",
        operation_id="updateBillingTemplate",
        summary="Update a billing template",
        responses=write_problems(404),
    )
    async def update(
        self, actor: NamedDependency[Actor], template_id: BillingTemplateId, data: JSONBody[UpdateBillingTemplate]
    ) -> BillingTemplate:
        """Switches it off or on. What was sold by it goes on."""
        return await in_thread(billing.update_billing_template, actor, template_id, data)


async def _accepted_or_created(response: Response[Any]) -> Response[Any]:
    """202 and where to look, while the link is still being made."""
    link: SubscriptionLink = response.content
    response.headers.setdefault("Cache-Control", "no-store")
    if link.status is SubscriptionLinkStatus.PENDING:
        response.status_code = HTTP_202_ACCEPTED
        response.headers["Location"] = f"{PREFIX}{SubscriptionLinks.path}/{link.id}"
    return response


class SubscriptionLinks(Controller):
    path = "/subscription-links"
    tags = ("Billing",)

    @post(
        operation_id="generateSubscriptionLink",
        summary="Generate a subscription link",
        responses={
            HTTP_202_ACCEPTED: ResponseSpec(data_container=SubscriptionLink, generate_examples=False),
            **write_problems(404, 409),
        },
        after_request=_accepted_or_created,
    )
    async def create(self, actor: NamedDependency[Actor], data: JSONBody[GenerateSubscriptionLink]) -> SubscriptionLink:
        """A page to pay on. A user's open link is given again. 202 while it is being made: look at `Location` in a moment."""
        return await generate_link(actor, data)

    @get(
        "/{subscriptionLinkId:str}",
        operation_id="subscriptionLink",
        summary="Get a subscription link",
        responses=read_problems(404),
    )
    async def read(self, actor: NamedDependency[Actor], link_id: SubscriptionLinkId) -> SubscriptionLink:
        """One link, and what has become of it."""
        return await in_thread(checkout_links.get_link, actor, link_id)
