"""`meterline stripe …`: whether we and Stripe agree, and how to come with what is at Stripe already."""

from collections import Counter

import click

from app.cli.operators import OperatorGroup
from app.cli.progress import Tally
from app.gateways.billing_errors import BillingError
from app.services.stripe_comparing import NOTHING
from app.services.stripe_differences import Difference, Outcome
from app.services.stripe_import import USER_TAG, Step, import_account
from app.services.stripe_imported import Became
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


@stripe.command("import")
@click.option("--app", "app_id", required=True, metavar="APP_ID", help="The tenant (test_… or live_…) that gets it.")
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="PRICE=PACKAGE",
    help="What a price of Stripe's is for. Makes a billing template. Can be given many times.",
)
@click.option(
    "--user-metadata",
    "user_tag",
    default=USER_TAG,
    show_default=True,
    metavar="KEY",
    help="Which metadata of a customer has the id of the user.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would become of it. Nothing is written.")
@click.pass_context
def import_all(ctx: click.Context, app_id: str, pairs: tuple[str, ...], user_tag: str, dry_run: bool) -> None:
    """Bring along the prices, customers and subscriptions that are at Stripe already. It can be done again at any time.

    Prices are for packages by --map, or by a billing template that there is. Customers become users, with the id that their
    metadata has, or else with that of the customer; nobody is found by an email, and nobody's billing id is changed.
    Subscriptions are copied if their price is for a package.

    A line is for a price, and for whatever else is to be said of: what it is, its id at Stripe, what became of it, and why, with
    tabs in between. The last lines count.

    Ends with 0 if everything was imported, with 1 if somebody pays for something that could not be, and with 2 if it could not be
    done. What was done by then stays done.
    """
    tally = Tally()
    counts: dict[Step, Counter[Became]] = {}
    is_left = False
    for part in import_account(app_id, _mapping(pairs), user_tag=user_tag, dry_run=dry_run):
        if any(one.why for one in part.imported):
            tally.make_room()
        for one in part.imported:
            if one.why is not None:
                click.echo("\t".join((part.step.removesuffix("s"), one.id, one.became, one.why)))
            is_left = is_left or one.is_left
        counts.setdefault(part.step, Counter()).update(one.became for one in part.imported)
        tally.show(part.step, part.done)
    tally.end()
    for step, became in counts.items():
        told = ", ".join(f"{became[each]:,} {each}" for each in Became if became[each])
        click.echo(f"{step}: {told or 'none'}")
    if is_left:
        ctx.exit(1)


def _mapping(pairs: tuple[str, ...]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for pair in pairs:
        price_id, equals, package_id = pair.partition("=")
        if not (price_id and equals and package_id):
            raise click.BadParameter(f"{pair!r} is not PRICE=PACKAGE", param_hint="--map")
        if mapping.setdefault(price_id, package_id) != package_id:
            raise click.BadParameter(f"{price_id} is given for two packages", param_hint="--map")
    return mapping
