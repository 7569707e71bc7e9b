"""`meterline …`: what an operator types, and what is said when it cannot be done."""

import logging
import sys
from collections.abc import Iterator

import click
import pytest
import structlog
from click.testing import CliRunner, Result

from app import migrating
from app.cli import meterline
from app.contract.users import CreateUser
from app.domain.metering import Enforcement
from app.errors import AuthenticationError
from app.services import tenants, tokens, users
from tests.environment import DEAD_DATABASE, environment
from tests.tenants import Tenant


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command sends the logs to its own standard error, which ends with it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    # Each logger that was used meanwhile has kept its way there, which would hide what it says from `capture_logs`.
    for name, module in sys.modules.items():
        if name.startswith("app.") and hasattr(module, "log"):
            vars(module.log).pop("bind", None)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(meterline, arguments)
    # Anything but an orderly exit would have been a trace.
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def said(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code != 0
    assert result.stdout == ""
    return result.stderr


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


@pytest.mark.parametrize("path", [(), *commands(meterline)], ids=" ".join)
def test_every_command_has_help_and_needs_no_settings_for_it(path: tuple[str, ...]) -> None:
    with environment(METERLINE_ENV="production", SECRET_KEY=None):
        shown = said(*path, "--help")
    assert shown.startswith("Usage: ")
    assert len(shown.splitlines()[2].strip()) > 10  # a line that says what it does


def test_the_version_is_the_packages() -> None:
    assert said("--version").startswith("meterline, version ")


def test_the_schema_is_the_admin_api() -> None:
    with environment(METERLINE_ENV="development"):
        shown = said("schema")
    assert "type Mutation" in shown
    assert "recordUsage(" in shown


def test_an_app_is_created_with_keys_that_work(product: str) -> None:
    lines = said("apps", "create", "from-shell", "--name", "From Shell").splitlines()
    assert (lines[0], lines[3]) == ("test_from-shell", "live_from-shell")
    assert lines[-1] == "Store the keys now: they are kept as hashes only and cannot be shown again."
    secret = lines[1].removeprefix("  secret key  ")
    assert lines[2].startswith("  public key  pub_test_")
    assert tenants.authenticate_secret_key(secret).app_id == "test_from-shell"
    assert {"test_from-shell", "live_from-shell"} <= set(said("apps", "list").splitlines())

    assert refused("apps", "create", "from-shell") == "Error: slug: an app 'from-shell' exists already\n"
    assert refused("apps", "create", "No Good").startswith("Error: slug: must be 1 to 63 lower-case letters")


def test_the_enforcement_can_be_set_in_either_case(tenant: Tenant) -> None:
    assert said("apps", "enforcement", tenant.app_id, "record") == f"{tenant.app_id}: RECORD\n"
    assert tenants.authenticate_secret_key(tenant.secret_key).enforcement is Enforcement.RECORD
    assert said("apps", "enforcement", tenant.app_id, "REFUSE") == f"{tenant.app_id}: REFUSE\n"
    assert tenants.authenticate_secret_key(tenant.secret_key).enforcement is Enforcement.REFUSE
    assert "'maybe' is not one of" in refused("apps", "enforcement", tenant.app_id, "maybe")


def test_keys_are_listed_by_number_and_end_alone(tenant: Tenant) -> None:
    first, second = said("keys", "list", tenant.app_id).splitlines()
    assert f"SECRET  …{tenant.secret_key[-4:]}  made " in first
    assert f"PUBLIC  …{tenant.public_key[-4:]}  made " in second
    assert first.endswith("  no end")
    assert tenant.secret_key not in first


def test_a_key_is_made_rotated_and_revoked(tenant: Tenant) -> None:
    made = said("keys", "create", tenant.app_id).strip()
    assert tenants.authenticate_secret_key(made).app_id == tenant.app_id
    assert said("keys", "create", tenant.app_id, "--kind", "public").startswith("pub_test_")

    number = str(next(key.id for key in tenants.list_keys(tenant.app_id) if key.hint == made[-4:]))
    rotated = said("keys", "rotate", tenant.app_id, number).strip()
    assert tenants.authenticate_secret_key(made) == tenants.authenticate_secret_key(rotated)
    assert " UTC  ends " in said("keys", "list", tenant.app_id)

    assert said("keys", "revoke", tenant.app_id, number) == f"Key {number} of {tenant.app_id} has ended.\n"
    with pytest.raises(AuthenticationError):
        tenants.authenticate_secret_key(made)
    assert tenants.authenticate_secret_key(rotated).app_id == tenant.app_id


def test_the_token_secret_is_rotated(tenant: Tenant) -> None:
    users.create_user(tenant.actor, CreateUser(id="ada"))
    token = tokens.generate_user_token(tenant.actor, "ada").token
    assert said("rotate-token-secret", tenant.app_id, "--overlap-days", "0") == (
        f"{tenant.app_id} signs with a new secret. Older tokens end in 0 days at the latest.\n"
    )
    with pytest.raises(AuthenticationError):
        tokens.verify_user_token(token)


def test_an_unknown_tenant_or_key_is_said_so(tenant: Tenant) -> None:
    unknown = "Error: There is no tenant test_nobody\n"
    assert refused("keys", "list", "test_nobody") == unknown
    assert refused("keys", "create", "test_nobody") == unknown
    assert refused("keys", "rotate", "test_nobody", "1") == unknown
    assert refused("keys", "revoke", "test_nobody", "1") == unknown
    assert refused("apps", "enforcement", "test_nobody", "RECORD") == unknown
    assert refused("rotate-token-secret", "test_nobody") == unknown
    for number in ("0", "99999999999999999999999"):
        message = f"Error: Tenant {tenant.app_id} has no key {number}\n"
        assert refused("keys", "revoke", tenant.app_id, number) == message
        assert refused("keys", "rotate", tenant.app_id, number) == message
    assert "is not a valid integer" in refused("keys", "revoke", tenant.app_id, "first")


def test_migrate_brings_a_database_up_to_date_and_says_so_again(product: str, database_url: str) -> None:
    migrating.downgrade(database_url, "base")
    with environment(DATABASE_URL=database_url):
        for _ in range(2):
            assert said("migrate") == "The database is up to date.\n"
        assert "no-such-revision" in refused("migrate", "--revision", "no-such-revision")


@pytest.mark.parametrize(
    "arguments", [("migrate",), ("apps", "list"), ("apps", "create", "x"), ("keys", "list", "test_x")], ids=" ".join
)
def test_a_database_that_is_away_is_a_message(product: str, arguments: tuple[str, ...]) -> None:
    with environment(DATABASE_URL=DEAD_DATABASE):
        message = refused(*arguments)
    assert "Error: The database is busy or away." in message
    assert "Traceback" not in message


@pytest.mark.parametrize("arguments", [("migrate",), ("apps", "list")], ids=" ".join)
def test_an_environment_that_cannot_be_is_a_message(arguments: tuple[str, ...]) -> None:
    with environment(METERLINE_ENV="production", SECRET_KEY="s3cret"):
        message = refused(*arguments)
    assert message.startswith(
        "Error: environment: Value error, SECRET_KEY must be set to at least 32 random characters"
    )
    assert "s3cret" not in message
