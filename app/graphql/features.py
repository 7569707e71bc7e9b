"""Features over GraphQL."""

from functools import partial
from typing import Any

from app.contract.actors import Actor
from app.contract.features import CreateFeature, Feature, UpdateFeature
from app.contract.packages import Package
from app.contract.shapes import build
from app.contract.usage import CheckAccess, Entitlement
from app.edge import coalesce
from app.edge.threads import in_thread
from app.graphql.arguments import id_and_changes, listed
from app.graphql.context import Context
from app.graphql.engine import resolver
from app.graphql.loaders import Loaders
from app.services import features

Request = Context[Actor, Loaders]


def register(schema_name: str) -> None:
    @resolver(schema_name, "Query.feature")
    async def feature(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Feature:
        return await in_thread(features.get_feature, context.actor, arguments["id"])

    @resolver(schema_name, "Query.features", list_concurrently=True)
    async def all_features(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> list[Feature]:
        return await listed(partial(features.list_features, context.actor), arguments)

    @resolver(schema_name, "Mutation.createFeature")
    async def create(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Feature:
        return await in_thread(features.create_feature, context.actor, build(CreateFeature, arguments["input"]))

    @resolver(schema_name, "Mutation.updateFeature")
    async def update(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Feature:
        feature_id, changes = id_and_changes(arguments)
        return await in_thread(features.update_feature, context.actor, feature_id, build(UpdateFeature, changes))

    @resolver(schema_name, "Mutation.deleteFeature")
    async def delete(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Feature:
        return await in_thread(features.delete_feature, context.actor, arguments["id"])

    @resolver(schema_name, "Feature.packages", list_concurrently=True, parent_concurrently=True)
    async def packages(parent: Feature, _arguments: object, context: Request, _info: object) -> list[Package]:
        return await context.loaders.packages_holding(parent.id)

    @resolver(schema_name, "Feature.entitlement", parent_concurrently=True)
    async def entitlement(parent: Feature, arguments: dict[str, Any], context: Request, _info: object) -> Entitlement:
        # The entitlements of a list are asked for at once, and so become one batch.
        return await coalesce.check_access(
            context.actor, CheckAccess(user_id=arguments["userId"], feature_id=parent.id)
        )
