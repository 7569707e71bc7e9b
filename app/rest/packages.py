"""Packages over REST: what is sold, from draft to archive."""

from typing import Annotated, Literal

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from app.contract.actors import Actor
from app.contract.packages import CreatePackage, DuplicatePackage, Package, UpdatePackage
from app.contract.shapes import Page, PageRequest
from app.domain.subscribing import PackageStatus
from app.edge.threads import in_thread
from app.rest.parameters import PackageId
from app.rest.problems import read_problems, write_problems
from app.services import packages

# A PackageStatus, or all of them.
StatusFilter = Literal["DRAFT", "PUBLISHED", "ARCHIVED", "ALL"]


class Packages(Controller):
    path = "/packages"
    tags = ("Packages",)

    @post(operation_id="createPackage", summary="Create a package", responses=write_problems(409))
    async def create(self, actor: NamedDependency[Actor], data: JSONBody[CreatePackage]) -> Package:
        """It begins as a DRAFT."""
        return await in_thread(packages.create_package, actor, data)

    @get(operation_id="packages", summary="List packages", responses=read_problems())
    async def list_page(
        self,
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        status: Annotated[
            StatusFilter, QueryParameter(name="status", description="Only those of this status.")
        ] = "PUBLISHED",
    ) -> Page[Package]:
        """Oldest first, in pages; those on sale unless another status is asked for."""
        wanted = None if status == "ALL" else PackageStatus(status)
        return await in_thread(packages.list_packages, actor, page, wanted)

    @get("/{packageId:str}", operation_id="package", summary="Get a package", responses=read_problems(404))
    async def read(self, actor: NamedDependency[Actor], package_id: PackageId) -> Package:
        """One package, whatever its status."""
        return await in_thread(packages.get_package, actor, package_id)

    @patch(
        "/{packageId:str}",
        operation_id="updatePackage",
        summary="Update a package",
        responses=write_problems(404, 409),
    )
    async def update(
        self, actor: NamedDependency[Actor], package_id: PackageId, data: JSONBody[UpdatePackage]
    ) -> Package:
        """A DRAFT can be edited whole; later only metadata and an add-on's base packages can change."""
        return await in_thread(packages.update_package, actor, package_id, data)

    @delete(
        "/{packageId:str}",
        operation_id="deletePackage",
        summary="Delete a package",
        responses=read_problems(404, 409),
        status_code=200,
    )
    async def remove(self, actor: NamedDependency[Actor], package_id: PackageId) -> Package:
        """Deletes a DRAFT. Answers with what it was."""
        return await in_thread(packages.delete_package, actor, package_id)

    @post(
        "/{packageId:str}/publish",
        operation_id="publishPackage",
        summary="Publish a package",
        responses=read_problems(404, 409),
        status_code=200,
    )
    async def publish(self, actor: NamedDependency[Actor], package_id: PackageId) -> Package:
        """From DRAFT to PUBLISHED: from now on users can be subscribed to it, and there is no way back to DRAFT."""
        return await in_thread(packages.publish_package, actor, package_id)

    @post(
        "/{packageId:str}/archive",
        operation_id="archivePackage",
        summary="Archive a package",
        responses=read_problems(404, 409),
        status_code=200,
    )
    async def archive(self, actor: NamedDependency[Actor], package_id: PackageId) -> Package:
        """From PUBLISHED to ARCHIVED: no new subscriptions; those that exist go on."""
        return await in_thread(packages.archive_package, actor, package_id)

    @post(
        "/{packageId:str}/duplicate",
        operation_id="duplicatePackage",
        summary="Duplicate a package",
        responses=write_problems(404, 409),
    )
    async def duplicate(
        self, actor: NamedDependency[Actor], package_id: PackageId, data: JSONBody[DuplicatePackage]
    ) -> Package:
        """A new DRAFT with the same content."""
        return await in_thread(packages.duplicate_package, actor, package_id, data)
