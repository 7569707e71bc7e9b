"""Billing templates over REST."""

from typing import Annotated

from litestar import Controller, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from app.contract.actors import Actor
from app.contract.billing import BillingTemplate, CreateBillingTemplate, UpdateBillingTemplate
from app.contract.shapes import Page, PageRequest
from app.edge.threads import in_thread
from app.rest.parameters import BillingTemplateId
from app.rest.problems import read_problems, write_problems
from app.services import billing


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
