"""`meterline …`: what an operator does from a shell."""

from datetime import timedelta

import click

from app import migrating
from app.cli.books import books
from app.cli.ledger import ledger, make_ahead
from app.cli.operators import OperatorGroup
from app.cli.overage import overage
from app.cli.status import schedule, status
from app.cli.stripe import stripe
from app.contract.sdl import admin_sdl
from app.domain.keys import KeyKind
from app.domain.metering import Enforcement
from app.errors import OverloadedError
from app.services import tenants, tokens
from app.services.ledger_partitions import MONTHS_AHEAD
from app.settings import settings


@click.group(cls=OperatorGroup)
@click.version_option(package_name="meterline")
def meterline() -> None:
    """Entitlements and usage limits for your SaaS product.

    DATABASE_URL says which database the commands work on; the README lists all settings.
    """


meterline.add_command(books)
meterline.add_command(ledger)
meterline.add_command(overage)
meterline.add_command(schedule)
meterline.add_command(status)
meterline.add_command(stripe)


@meterline.command()
@click.option("--revision", default="head", show_default=True, help="Where to migrate to.")
@click.option(
    "--new", metavar="SUBJECT", help="For developers: first write a migration for what changed in app/models."
)
def migrate(revision: str, new: str | None) -> None:
    """Bring the database to this release's schema. Does nothing when it is there already."""
    migrating.upgrade(settings().database_url, revision)
    if new:
        click.echo(f"Written: {migrating.write_migration(settings().database_url, new)}. Read it before you use it.")
        return
    if revision == "head":
        _make_months_ahead()
    click.echo("The database is up to date.")


def _make_months_ahead() -> None:
    try:
        make_ahead(MONTHS_AHEAD)
    except OverloadedError:
        # A release must not fail because somebody dumps the database: without its month an event is kept all the same.
        command = f"meterline ledger partitions --make-ahead {MONTHS_AHEAD}"
        click.echo(f"The ledger is in use, so its next months were not made. `{command}` makes them.", err=True)


@meterline.command()
def schema() -> None:
    """Print the GraphQL schema of the admin API."""
    click.echo(admin_sdl(limit_as_string=settings().graphql_limit_as_string))


@meterline.group()
def apps() -> None:
    """Apps: each has a test and a live tenant with data of its own."""


@apps.command("create")
@click.argument("slug")
@click.option("--name", help="What people call it; by default the slug.")
def create_app(slug: str, name: str | None) -> None:
    """Create the tenants test_SLUG and live_SLUG and print their keys, this once."""
    for tenant in tenants.create_app(slug, name):
        click.echo(f"{tenant.app_id}\n  secret key  {tenant.secret_key}\n  public key  {tenant.public_key}")
    click.echo("Store the keys now: they are kept as hashes only and cannot be shown again.")


@apps.command("list")
def list_apps() -> None:
    """List all tenants."""
    for app_id in tenants.app_ids():
        click.echo(app_id)


@apps.command("enforcement")
@click.argument("app_id")
@click.argument("enforcement", type=click.Choice(list(Enforcement), case_sensitive=False))
def set_enforcement(app_id: str, enforcement: Enforcement) -> None:
    """What to do with usage over a hard limit: REFUSE it (the default) or RECORD it anyway."""
    tenants.set_enforcement(app_id, enforcement)
    click.echo(f"{app_id}: {enforcement}")


@meterline.group()
def keys() -> None:
    """API keys of a tenant (APP_ID is test_… or live_…)."""


@keys.command("list")
@click.argument("app_id")
def list_keys(app_id: str) -> None:
    """List a tenant's keys by number; of each key only the end is known."""
    for key in tenants.list_keys(app_id):
        until = f"ends {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "no end"
        click.echo(f"{key.id:>6}  {key.kind:<6}  …{key.hint}  made {key.created_at:%Y-%m-%d %H:%M} UTC  {until}")


@keys.command("create")
@click.argument("app_id")
@click.option(
    "--kind", type=click.Choice(list(KeyKind), case_sensitive=False), default=KeyKind.SECRET, show_default=True
)
def create_key(app_id: str, kind: KeyKind) -> None:
    """Create a further key and print it, this once."""
    click.echo(tenants.create_key(app_id, kind))


@keys.command("rotate")
@click.argument("app_id")
@click.argument("key_id", type=int)
@click.option("--overlap-hours", type=click.IntRange(0, 24 * 90), default=24, show_default=True, help="Old key's rest.")
def rotate_key(app_id: str, key_id: int, overlap_hours: int) -> None:
    """Replace a key: print the new one, this once, and let the old one end after the overlap."""
    click.echo(tenants.rotate_key(app_id, key_id, timedelta(hours=overlap_hours)))


@keys.command("revoke")
@click.argument("app_id")
@click.argument("key_id", type=int)
def revoke_key(app_id: str, key_id: int) -> None:
    """End a key now."""
    tenants.revoke_key(app_id, key_id)
    click.echo(f"Key {key_id} of {app_id} has ended.")


@meterline.command("rotate-token-secret")
@click.argument("app_id")
@click.option("--overlap-days", type=click.IntRange(0, 365), default=tokens.LIFETIME.days, show_default=True)
def rotate_token_secret(app_id: str, overlap_days: int) -> None:
    """Sign user tokens with a new secret; those of the old one stay valid for the overlap."""
    tokens.rotate_token_secret(app_id, timedelta(days=overlap_days))
    click.echo(f"{app_id} signs with a new secret. Older tokens end in {overlap_days} days at the latest.")
