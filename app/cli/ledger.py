"""`meterline ledger …`: the ledger's months."""

import click

from app import clock
from app.cli.operators import OperatorGroup
from app.queries.ledger_partitions import Partition
from app.services import ledger_partitions


@click.group(cls=OperatorGroup)
def ledger() -> None:
    """The ledger of usage events, a partition for each month."""


@ledger.command("partitions")
@click.option(
    "--make-ahead",
    "months",
    type=click.IntRange(0, 120),
    metavar="N",
    help="First make what is missing, for this month and N more.",
)
def partitions(months: int | None) -> None:
    """List the months with their size. `meterline migrate` makes three ahead."""
    if months is not None:
        make_ahead(months)
    for one in ledger_partitions.list_partitions():
        click.echo(_line(one))


@ledger.command("drop-expired")
@click.option("--dry-run", is_flag=True, help="Say what would be dropped.")
def drop_expired(dry_run: bool) -> None:
    """Drop the months that are older than USAGE_RETENTION_DAYS, with their idempotency keys and reservations."""
    now = clock.now()
    gone = ledger_partitions.expired(now) if dry_run else ledger_partitions.drop_expired(now)
    if gone is None:
        click.echo("USAGE_RETENTION_DAYS is not set: the ledger is kept for good.")
        return
    for one in gone.partitions:
        click.echo(_line(one))
    click.echo(
        f"{'Would drop' if dry_run else 'Dropped'} what is before {gone.before:%Y-%m-%d}: {len(gone.partitions)} months, "
        f"{gone.events_without_month:,} events without a month, {gone.keys:,} idempotency keys, "
        f"{gone.reservations:,} reservations, {gone.periods:,} closed periods; {gone.counters:,} counters "
        f"{'would stand' if dry_run else 'stand'} for nothing now."
    )


def make_ahead(months: int) -> None:
    """Make the months and say which."""
    made = ledger_partitions.make_ahead(clock.now(), months)
    if made:
        click.echo(f"Made {', '.join(made)}.")


def _line(one: Partition) -> str:
    months = f"{one.start:%Y-%m-%d} to {one.end:%Y-%m-%d}" if one.start and one.end else "what has no month"
    return f"{one.name:<24}  {months:<24}  {one.rows:>13,} rows  {one.size_bytes / 2**20:>9,.1f} MB"
