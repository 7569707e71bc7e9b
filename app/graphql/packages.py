"""Packages over GraphQL."""

from collections.abc import Callable
from functools import partial
from typing import Any

from app.contract.actors import Actor
from app.contract.packages import CreatePackage, DuplicatePackage, Package, UpdatePackage
from app.contract.shapes import build
from app.domain.subscribing import PackageStatus
from app.edge.threads import in_thread
from app.errors import InvalidInputError
from app.graphql.arguments import id_and_changes, listed
from app.graphql.context import Context
from app.graphql.engine import resolver
from app.graphql.loaders import Loaders
from app.services import packages

Request = Context[Actor, Loaders]

_EVERY_STATUS = "ALL"


def register(schema_name: str) -> None:
    @resolver(schema_name, "Query.package")
    async def package(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Package:
        return await in_thread(packages.get_package, context.actor, arguments["id"])

    @resolver(schema_name, "Query.packages", list_concurrently=True)
    @resolver(schema_name, "Query.plans", list_concurrently=True)
    async def all_packages(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> list[Package]:
        status = status_asked_for(arguments.get("status"))
        return await listed(partial(packages.list_packages, context.actor, status=status), arguments)

    @resolver(schema_name, "Mutation.createPackage")
    async def create(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Package:
        return await in_thread(packages.create_package, context.actor, build(CreatePackage, arguments["input"]))

    @resolver(schema_name, "Mutation.updatePackage")
    async def update(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Package:
        package_id, changes = id_and_changes(arguments)
        return await in_thread(packages.update_package, context.actor, package_id, build(UpdatePackage, changes))

    @resolver(schema_name, "Mutation.duplicatePackage")
    async def duplicate(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Package:
        package_id = arguments["id"]
        copy = build(DuplicatePackage, {name: value for name, value in arguments.items() if name != "id"})
        return await in_thread(packages.duplicate_package, context.actor, package_id, copy)

    _register_by_id(schema_name, "Mutation.publishPackage", packages.publish_package)
    _register_by_id(schema_name, "Mutation.archivePackage", packages.archive_package)
    _register_by_id(schema_name, "Mutation.deletePackage", packages.delete_package)


def _register_by_id(schema_name: str, field: str, use_case: Callable[[Actor, str], Package]) -> None:
    @resolver(schema_name, field)
    async def resolve(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Package:
        return await in_thread(use_case, context.actor, arguments["id"])


def status_asked_for(status: str | None) -> PackageStatus | None:
    """The one status to list, or None for every one. A String in the schema, because Kana's callers declare it so.

    Raises:
        InvalidInputError: no such status.
    """
    asked = (status or PackageStatus.PUBLISHED).upper()
    if asked == _EVERY_STATUS:
        return None
    try:
        return PackageStatus(asked)
    except ValueError:
        known = ", ".join([*PackageStatus, _EVERY_STATUS])
        raise InvalidInputError("status", f"must be one of {known}") from None
