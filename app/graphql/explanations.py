"""Explanations over GraphQL."""

from typing import Any

from app.contract.actors import Actor
from app.contract.explanations import Explanation
from app.contract.shapes import build
from app.contract.usage import CheckAccess
from app.edge.threads import in_thread
from app.graphql.arguments import given
from app.graphql.context import Context
from app.graphql.engine import resolver
from app.graphql.loaders import Loaders
from app.services import explanations

Request = Context[Actor, Loaders]


def register(schema_name: str) -> None:
    @resolver(schema_name, "Query.explain")
    async def explain(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Explanation:
        return await in_thread(explanations.explain, context.actor, build(CheckAccess, given(arguments)))
