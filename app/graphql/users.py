"""Users over GraphQL."""

from functools import partial
from typing import Any

from app.contract.actors import Actor
from app.contract.shapes import build
from app.contract.users import CreateUser, GeneratedUserToken, UpdateUser, User
from app.edge.threads import in_thread
from app.errors import UserNotFoundError
from app.graphql.arguments import listed
from app.graphql.context import Context
from app.graphql.engine import resolver
from app.graphql.loaders import Loaders
from app.services import tokens, users

Request = Context[Actor, Loaders]


def register(schema_name: str) -> None:
    @resolver(schema_name, "Query.user")
    async def user(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> User:
        return await in_thread(users.get_user, context.actor, arguments["id"])

    @resolver(schema_name, "Query.users")
    async def all_users(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> list[User]:
        if arguments.get("id") is None:
            return await listed(partial(users.list_users, context.actor), arguments)
        try:
            return [await in_thread(users.get_user, context.actor, arguments["id"])]
        except UserNotFoundError:
            return []  # a filter that matches nothing, not a mistake

    @resolver(schema_name, "Mutation.createUser")
    async def create(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> User:
        return await in_thread(users.create_user, context.actor, build(CreateUser, arguments["input"]))

    @resolver(schema_name, "Mutation.updateUser")
    async def update(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> User:
        command = build(UpdateUser, arguments["input"])
        return await in_thread(users.update_user, context.actor, arguments["id"], command)

    @resolver(schema_name, "Mutation.generateUserToken")
    async def token(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> GeneratedUserToken:
        return await in_thread(tokens.generate_user_token, context.actor, arguments["userId"])
