"""`python -m tests.benchmarks.graphql_engine`: CPU time of the GraphQL engine for a request whose document is known.

From the decoded envelope to the answer: normalise, execute. Resolvers return values that are ready, so that what is left is
the engine. Plans and the library's own execution take turns, round by round; the figures are medians over the rounds.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import click

from app.contract.packages import Package, PackageFeature, PackagePrice
from app.contract.sdl import admin_sdl
from app.contract.usage import Consumption, Entitlement, RecordedUsage
from app.domain.entitlements import FeatureType
from app.domain.periods import ResetPeriod
from app.domain.subscribing import PackageStatus
from app.graphql.compat import Compatibility
from app.graphql.context import Context
from app.graphql.engine import cook_engine, resolver
from app.graphql.limits import Limits
from app.graphql.request import Request

MOMENT = "2022-08-10T15:07:01.803Z"
# Name, request, and how often one round asks it.
REQUESTS: list[tuple[str, Request, int]] = [
    (
        "recordUsage",
        Request(
            "mutation recordUsage($input: CreateUsageEventInput!) { recordUsage(input: $input) { recorded reason } }",
            {"input": {"userId": "124", "featureId": "api-calls", "delta": 100, "action": "SET"}},
        ),
        500,
    ),
    (
        "recordUsage, values in the document",
        Request('mutation { recordUsage(input: {userId: "124", featureId: "api-calls"}) { recorded reason } }'),
        500,
    ),
    (
        "canUseFeature with consumption",
        Request(
            "query ($userId: String!, $featureId: String!) { canUseFeature(userId: $userId, featureId: $featureId) "
            "{ access reason consumption { used budget overageEnabled } } }",
            {"userId": "124", "featureId": "api-calls"},
        ),
        500,
    ),
    (
        "packages, 50 of 5 features and 2 prices",
        Request(
            "{ packages { id name isAddon status updatedAt metadata "
            "features { id name type limit resetPeriod overageEnabled unitLabel unitLabelPlural } "
            "prices { id provider amount displayAmount currency interval } } }"
        ),
        2,
    ),
]

Ask = Callable[[], Awaitable[dict[str, Any]]]


@click.command(help=__doc__)
@click.option("--rounds", default=21, show_default=True, help="How often each request is measured each way.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures here."
)
def main(rounds: int, json_path: Path | None) -> None:
    figures = asyncio.run(_measure(rounds))
    if json_path:
        json_path.write_text(json.dumps(figures, indent=2) + "\n")


async def _measure(rounds: int) -> list[dict[str, object]]:
    doors = [await _door(fast=False), await _door(fast=True)]
    figures: list[dict[str, object]] = []
    click.echo(f"{'CPU microseconds per request':42}{'library':>10}{'plans':>10}{'ratio':>8}")
    for name, request, repeats in REQUESTS:
        ways = [door(request) for door in doors]
        if await ways[0]() != await ways[1]():
            raise AssertionError(f"{name} is not answered the same by both")
        library, plans = await _medians(ways, rounds, repeats)
        click.echo(f"{name:42}{library:>10.1f}{plans:>10.1f}{plans / library:>8.3f}")
        figures.append({"request": name, "library_us": library, "plans_us": plans, "ratio": plans / library})
    return figures


async def _medians(ways: Sequence[Ask], rounds: int, repeats: int) -> list[float]:
    taken = [[await _microseconds(ask, repeats) for ask in ways] for _ in range(rounds)]
    return [round(statistics.median(way), 2) for way in zip(*taken, strict=True)]


async def _microseconds(ask: Ask, repeats: int) -> float:
    began = time.process_time()
    for _ in range(repeats):
        await ask()
    return (time.process_time() - began) / repeats * 1e6


async def _door(*, fast: bool) -> Callable[[Request], Ask]:
    """What a request goes through between its envelope and its answer."""
    engine = await cook_engine(admin_sdl(), _register, fast=fast)
    compatibility = Compatibility(engine.input_fields, Limits())

    def door(request: Request) -> Ask:
        async def ask() -> dict[str, Any]:
            asked = compatibility.normalise(request)
            context = Context(actor=None, loaders=None, request_id="benchmark")
            variables = asked.variables if isinstance(asked.variables, dict) else None
            return await engine.execute(asked.query, asked.operation_name, context, variables)

        return ask

    return door


def _register(schema_name: str) -> None:
    consumption = Consumption(used=101, budget=1000, overage_enabled=False, reserved=0)
    answers: dict[str, object] = {
        "Mutation.recordUsage": RecordedUsage(
            recorded=True, reason=None, event_id="1", duplicate=False, consumption=consumption
        ),
        "Query.canUseFeature": Entitlement(
            access=True,
            reason="The user has an allowance remaining.",
            consumption=consumption,
            package_id="pro",
            period_start=MOMENT,
            period_end=MOMENT,
        ),
        "Query.packages": [_package(number) for number in range(50)],
    }
    for field, answer in answers.items():
        _register_answer(schema_name, field, answer)


def _register_answer(schema_name: str, field: str, answer: object) -> None:
    @resolver(schema_name, field, list_concurrently=True if field == "Query.packages" else None)
    async def resolve(_parent: None, _arguments: dict[str, Any], _context: Any, _info: object) -> object:
        return answer


def _package(number: int) -> Package:
    feature = PackageFeature(
        id="api-calls",
        name="API Calls",
        type=FeatureType.CONSUMABLE,
        limit=1000,
        reset_period=ResetPeriod.MONTH,
        overage_enabled=False,
        unit_label="API Call",
        unit_label_plural="API Calls",
        metadata=None,
    )
    price = PackagePrice(
        id="price_1", provider="STRIPE", amount=5000, display_amount="50.00", currency="gbp", interval="month"
    )
    return Package(
        id=f"package-{number}",
        name="Pro",
        is_addon=False,
        status=PackageStatus.PUBLISHED,
        updated_at=MOMENT,
        metadata={"team": "blue"},
        base_package_ids=[],
        features=[feature] * 5,
        prices=[price] * 2,
    )


if __name__ == "__main__":
    main()
