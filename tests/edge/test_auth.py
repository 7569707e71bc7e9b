"""Who is calling the admin API."""

import asyncio
from typing import Any

import pytest
from freezegun import freeze_time
from sqlalchemy import event

from app.contract.users import CreateUser
from app.db import Pool, engine
from app.edge.auth import RecentActors, authenticate_admin
from app.errors import AuthenticationError
from app.services import tenants, tokens, users
from tests.environment import environment
from tests.tenants import Tenant

UNKNOWN = "Unauthenticated: the API key is unknown or was revoked"


async def refusal(authorization: str | None) -> str:
    with pytest.raises(AuthenticationError) as refused:
        await authenticate_admin(authorization)
    return refused.value.message


def revoke(tenant: Tenant) -> None:
    (number,) = [key.id for key in tenants.list_keys(tenant.app_id) if key.hint == tenant.secret_key[-4:]]
    tenants.revoke_key(tenant.app_id, number)


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "  {}  ", "Bearer {} "])
async def test_a_secret_key_is_accepted_with_and_without_bearer(tenant: Tenant, form: str) -> None:
    assert await authenticate_admin(form.format(tenant.secret_key)) == tenant.actor


@pytest.mark.parametrize("nothing", [None, "", "   "])
async def test_no_key_is_refused_with_what_is_needed(product: str, nothing: str | None) -> None:
    assert await refusal(nothing) == "Unauthenticated: the Authorization header must carry a secret key (prv_…)"


async def test_a_public_key_is_refused_as_one(tenant: Tenant) -> None:
    message = "Unauthenticated: this API needs a secret key (prv_…), not a public one"
    assert await refusal(tenant.public_key) == message
    assert await refusal(f"Bearer {tenant.public_key}") == message


async def test_a_user_token_is_refused_as_one(tenant: Tenant) -> None:
    users.create_user(tenant.actor, CreateUser(id="ada"))
    token = tokens.generate_user_token(tenant.actor, "ada").token
    assert await refusal(f"Bearer {token}") == "Unauthenticated: this API needs a secret key (prv_…), not a user token"


@pytest.mark.parametrize(
    "junk",
    [
        "Bearer",
        "Basic cHJ2Og==",
        "Token {}",
        "Bearer Bearer {}",
        "{} {}",
        "prv_test_",
        "é" * 40,
        "\0",
        "x" * 100_000,
        "ey..",
    ],
    ids=lambda junk: junk[:12],
)
async def test_junk_is_refused(tenant: Tenant, junk: str) -> None:
    message = await refusal(junk.format(tenant.secret_key, tenant.secret_key))
    assert message.startswith("Unauthenticated: this API needs a secret key (prv_")


async def test_an_unknown_key_is_refused_each_time(product: str) -> None:
    key = "prv_test_" + "0" * 32
    assert [await refusal(key), await refusal(key)] == [UNKNOWN, UNKNOWN]


async def test_a_key_just_seen_is_accepted_for_the_cache_time_after_its_end_and_not_longer(tenant: Tenant) -> None:
    with environment(API_KEY_CACHE_SECONDS="5"), freeze_time("2026-01-01T00:00:00Z", real_asyncio=True) as clock:
        assert await authenticate_admin(tenant.secret_key) == tenant.actor
        revoke(tenant)
        clock.tick(4.999)
        assert await authenticate_admin(f"Bearer {tenant.secret_key}") == tenant.actor
        clock.tick(0.001)
        assert await refusal(tenant.secret_key) == UNKNOWN


async def test_acceptance_does_not_prolong_itself(tenant: Tenant) -> None:
    with environment(API_KEY_CACHE_SECONDS="5"), freeze_time("2026-01-01T00:00:00Z", real_asyncio=True) as clock:
        await authenticate_admin(tenant.secret_key)
        revoke(tenant)
        for _ in range(4):
            clock.tick(1)
            await authenticate_admin(tenant.secret_key)
        clock.tick(1)
        assert await refusal(tenant.secret_key) == UNKNOWN


async def test_without_a_cache_time_a_revoked_key_ends_at_once(tenant: Tenant) -> None:
    with environment(API_KEY_CACHE_SECONDS="0"):
        assert await authenticate_admin(tenant.secret_key) == tenant.actor
        revoke(tenant)
        assert await refusal(tenant.secret_key) == UNKNOWN


async def test_calls_that_come_at_once_ask_the_database_for_their_key_once(tenant: Tenant) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(engine(Pool.KEYS), "before_cursor_execute", note)
    try:
        actors = await asyncio.gather(*(authenticate_admin(tenant.secret_key) for _ in range(50)))
    finally:
        event.remove(engine(Pool.KEYS), "before_cursor_execute", note)

    assert actors == [tenant.actor] * 50
    assert len([statement for statement in asked if "api_keys" in statement]) == 1


async def test_who_gives_up_waiting_for_their_key_leaves_the_others_waiting(tenant: Tenant) -> None:
    first = asyncio.create_task(authenticate_admin(tenant.secret_key))
    second = asyncio.create_task(authenticate_admin(f"Bearer {tenant.secret_key}"))
    await asyncio.sleep(0)

    first.cancel()

    assert await second == tenant.actor


async def test_a_key_never_seen_by_this_process_ends_at_once(tenant: Tenant) -> None:
    revoke(tenant)
    assert await refusal(tenant.secret_key) == UNKNOWN


def test_the_memory_is_bounded_and_forgets_the_oldest(tenant: Tenant) -> None:
    recent = RecentActors()
    with freeze_time("2026-01-01T00:00:00Z"):
        for number in range(10_001):
            recent.remember(number.to_bytes(32), tenant.actor)
        assert recent.get((0).to_bytes(32)) is None
        assert recent.get((1).to_bytes(32)) == tenant.actor
        assert recent.get((10_000).to_bytes(32)) == tenant.actor
