"""Tartiflette, set up the one way this product uses it.

A resolver is a coroutine `(parent, arguments, context, info)`, registered inside a function that is given the engine's
schema name:

    def register(schema_name: str) -> None:
        @resolver(schema_name, "Query.feature")
        async def feature(_parent: None, arguments: dict[str, Any], context: Request, _info: object) -> Feature: ...

The library's registry is global to the process; a schema name of its own for every engine keeps two engines apart.
"""

from app.graphql.engine.cooking import Engine, cook_engine
from app.graphql.engine.resolvers import resolver

__all__ = ["Engine", "cook_engine", "resolver"]
