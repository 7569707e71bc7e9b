"""`meterline stripe …`: whether we and Stripe agree, and how to come with what is at Stripe already."""

from collections import Counter

import click

from app.cli.operators import OperatorGroup
from app.cli.progress import Tally
from app.gateways.billing_errors import BillingError
from app.services.stripe_comparing import NOTHING
from app.services.stripe_differences import Difference, Outcome
from app.services.stripe_reconciling import reconcile


class CannotRunError(click.ClickException):
    """Who calls from a script must tell "there are differences" from "it could not be looked"."""

    exit_code = 2


class StripeGroup(OperatorGroup):
    """Whatever keeps a command from its work ends it with 2."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BillingError as refused:
            raise CannotRunError(f"Stripe: {refused}") from refused
        except click.UsageError:
            raise
        except click.ClickException as problem:
            raise CannotRunError(problem.message) from problem


@click.group(cls=StripeGroup)
def stripe() -> None:
    """Stripe: whether it and Meterline agree, and how to bring an account along. STRIPE_API_KEY says which account."""


@stripe.command("reconcile")
@click.option("--dry-run", is_flag=True, help="Only say what differs. Nothing is written.")
@click.pass_context
def reconcile_all(ctx: click.Context, dry_run: bool) -> None:
    """Bring Meterline to what Stripe says, now, without waiting for the jobs. No worker is needed.

    In order: events that wait are handled; events whose webhook did not come are fetched and handled; links to pay by are
    swept; every subscription is compared with its copies, and copied again where it differs; billing templates are compared
    with Stripe's prices.

    A difference is a line: what differs, the app, the id at Stripe, what we say, what Stripe says, and what was done about it
    (found, repaired or left), with tabs in between.

    Ends with 0 if nothing differed or all was repaired, with 1 if differences are left (with --dry-run: were found), and with 2
    if it could not be done. What was done by then stays done.
    """
    tally = Tally()
    outcomes = Counter[Outcome]()
    for part in reconcile(repair=not dry_run):
        if part.differences:
            tally.make_room()
        for difference in part.differences:
            click.echo(_line(difference))
            outcomes[difference.outcome] += 1
        tally.show(part.step, part.done)
    tally.end()
    click.echo(_summary(outcomes))
    if any(outcome.is_left for outcome in outcomes):
        ctx.exit(1)


def _line(one: Difference) -> str:
    return "\t".join((one.what, one.app_id or NOTHING, one.object_id, one.ours, one.stripes, one.outcome))


def _summary(outcomes: Counter[Outcome]) -> str:
    if not outcomes:
        return "Meterline and Stripe agree."
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items()))
    return f"Differences: {told}."
