"""`meterline overage …`: what Stripe's meters were not told, and telling it again."""

import click

from app import clock
from app.cli.operators import OperatorGroup
from app.services import meter_reports

_SHOWN_MAX = 1_000


@click.group(cls=OperatorGroup)
def overage() -> None:
    """Usage beyond limits that is billed by Stripe's meters."""


@overage.command()
@click.pass_context
def dead(ctx: click.Context) -> None:
    """List the hours whose overage was given up, up to 1,000, with tabs between app, subscription, package, feature, hour, units
    and why.

    Ends with 1 if there are any.
    """
    found = meter_reports.dead_letters(_SHOWN_MAX)
    for each in found:
        hour = clock.to_wire(each.starts_at)
        names = (each.app_id, each.provider_subscription_id, each.package_id, each.feature_id)
        click.echo("\t".join((*names, hour, str(each.value), str(each.error))))
    if found:
        ctx.exit(1)


@overage.command()
def retry() -> None:
    """Have them told again, once what Stripe said is put right. Those of over 34 days ago stay: make an invoice item by hand."""
    click.echo(f"{meter_reports.revive():,} hours are told again.")


@overage.command()
def forget() -> None:
    """Forget those of over 34 days ago, which Stripe does not take any more, once there are invoice items for them."""
    click.echo(f"{meter_reports.forget():,} hours are forgotten.")
