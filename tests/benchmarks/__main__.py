"""`make bench`: requests per second and latency of the main job over both doors, from one web process on real servers."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import psycopg

from app import migrating
from app.contract.features import CreateFeature
from app.contract.packages import CreatePackage, PackageFeatureTerms
from app.contract.subscriptions import Subscribe
from app.contract.users import CreateUser
from app.db import engine
from app.dev.postgres import EmbeddedPostgres
from app.dev.valkey import EmbeddedValkey
from app.domain.entitlements import FeatureType
from app.services import features, packages, subscriptions, users
from tests.benchmarks.load import Request, Result, get, load, post
from tests.races.web import Web, environment_for
from tests.tenants import Tenant, new_tenant

FEATURE = "api-calls"

Scenario = tuple[str, Callable[[int], Request]]


@click.command(help=__doc__)
@click.option("--seconds", default=3.0, show_default=True, help="How long each figure is measured.")
@click.option("--clients", default="1,16,64", show_default=True, help="How many clients at once, one figure each.")
@click.option("--users", "user_count", default=1000, show_default=True, help="Users that the load is spread over.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures here."
)
def main(seconds: float, clients: str, user_count: int, json_path: Path | None) -> None:
    counts = [int(count) for count in clients.split(",")]
    with tempfile.TemporaryDirectory(prefix="meterline-bench-", ignore_cleanup_errors=True) as path:
        home = Path(path)
        home.chmod(0o711)
        with EmbeddedPostgres(home) as postgres, EmbeddedValkey(home) as valkey:
            figures = _measure(postgres.url, valkey.url, home, seconds, counts, user_count)
    if json_path:
        json_path.write_text(json.dumps(figures, indent=2) + "\n")


def _measure(
    database_url: str, redis_url: str, home: Path, seconds: float, counts: list[int], user_count: int
) -> list[dict[str, object]]:
    migrating.upgrade(database_url)
    os.environ.update(METERLINE_ENV="development", DATABASE_URL=database_url, REDIS_URL=redis_url, LOG_LEVEL="WARNING")
    click.echo(f"preparing {user_count} users", err=True)
    tenant = _tenant_with_users(user_count)
    _analyze(database_url)
    web = Web(environment_for(database_url, redis_url) | {"LOG_LEVEL": "WARNING"}, home / "web.log")
    figures: list[dict[str, object]] = []
    try:
        web.wait_until_ready()
        click.echo(f"{'':34}{'clients':>8}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'of echo':>9}")
        for count in counts:
            echo = 0.0
            for name, request_of in _scenarios(tenant, user_count):
                result = asyncio.run(load(web.url, count, seconds, request_of))
                echo = echo or result.per_second
                figures.append(_figure(name, count, result, result.per_second / echo))
    finally:
        web.stop()
        engine().dispose()
    return figures


def _figure(name: str, clients: int, result: Result, ratio: float) -> dict[str, object]:
    click.echo(f"{name:34}{clients:>8}{result.per_second:>9.0f}{result.p50_ms:>9.2f}{result.p99_ms:>9.2f}{ratio:>9.2f}")
    return {
        "scenario": name,
        "clients": clients,
        "per_second": round(result.per_second, 1),
        "p50_ms": round(result.p50_ms, 3),
        "p99_ms": round(result.p99_ms, 3),
        "of_echo": round(ratio, 3),
    }


def _scenarios(tenant: Tenant, user_count: int) -> list[Scenario]:
    """The first is the ceiling: a request that does nothing."""
    key = tenant.secret_key

    def rest(user_id: str) -> Request:
        body = json.dumps({"userId": user_id, "featureId": FEATURE}).encode()
        return post("/v1/usage", key, body, b'"recorded":true')

    def graphql(user_id: str) -> Request:
        query = "mutation ($input: CreateUsageEventInput!) { recordUsage(input: $input) { recorded reason } }"
        variables = {"input": {"userId": user_id, "featureId": FEATURE}}
        return post("/graphql", key, json.dumps({"query": query, "variables": variables}).encode(), b'"recorded":true')

    def ask(user_id: str) -> Request:
        return get(f"/v1/users/{user_id}/features/{FEATURE}/access", key, b'"access":true')

    return [
        ("echo (GET /healthz)", lambda _: get("/healthz", key, b"ok")),
        ("REST recordUsage, many users", lambda n: rest(f"u{n % user_count}")),
        ("REST recordUsage, one user", lambda _: rest("u0")),
        ("GraphQL recordUsage, many users", lambda n: graphql(f"u{n % user_count}")),
        ("REST access, many users", lambda n: ask(f"u{n % user_count}")),
    ]


def _analyze(database_url: str) -> None:
    """What autovacuum has done on any server a minute after its data came."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ANALYZE")


def _tenant_with_users(count: int) -> Tenant:
    tenant = new_tenant()
    features.create_feature(tenant.actor, CreateFeature(id=FEATURE, type=FeatureType.CONSUMABLE))
    packages.create_package(tenant.actor, CreatePackage(id="pro", features=[PackageFeatureTerms(id=FEATURE)]))
    packages.publish_package(tenant.actor, "pro")
    for number in range(count):
        users.create_user(tenant.actor, CreateUser(id=f"u{number}"))
        subscriptions.subscribe(tenant.actor, Subscribe(user_id=f"u{number}", package_ids=["pro"]))
    return tenant


if __name__ == "__main__":
    sys.exit(main())
