"""Two engines for one schema, which must answer the same: with plans and without."""

from collections.abc import Callable
from typing import Any

import msgspec

from app.graphql.engine import Engine, cook_engine

# With plans, and without.
Engines = tuple[Engine, Engine]


async def both(sdl: str, register: Callable[[str], None]) -> Engines:
    return await cook_engine(sdl, register), await cook_engine(sdl, register, fast=False)


async def one_answer(
    engines: Engines, document: str, variables: Any = None, name: str | None = None, context: Any = None
) -> dict[str, Any]:
    """What both answer, each of them twice: the second time the document is known."""
    answers = [await engine.execute(document, name, context, variables) for engine in engines for _ in range(2)]
    first, *others = [msgspec.json.encode(answer, enc_hook=repr) for answer in answers]
    assert others == [first] * 3
    return answers[0]
