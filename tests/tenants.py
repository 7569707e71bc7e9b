"""Tenants for tests: a new one for each test keeps tests apart without a database for each."""

import itertools
import secrets
from dataclasses import dataclass

from app.contract.actors import Actor
from app.services import tenants

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Tenant:
    """A new customer of ours and its keys."""

    actor: Actor
    app_id: str
    secret_key: str
    public_key: str


def new_tenant(mode: str = "test") -> Tenant:
    """The test tenant of a new app, or the live one."""
    # Random, because tests that start real processes can share a database with this process.
    made = tenants.create_app(f"shop-{next(_numbers)}-{secrets.token_hex(4)}")[tenants.MODES.index(mode)]
    actor = tenants.authenticate_secret_key(made.secret_key)
    return Tenant(actor, made.app_id, made.secret_key, made.public_key)
