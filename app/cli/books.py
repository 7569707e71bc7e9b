"""`meterline books …`: whether the books are right."""

from collections import Counter
from datetime import datetime

import click

from app import clock
from app.cli.operators import OperatorGroup
from app.cli.progress import Progress
from app.domain.periods import Period
from app.services.books import COUNTERS_PER_PART, Difference, Step, check_books
from app.services.books_repairs import Outcome


@click.group(cls=OperatorGroup)
def books() -> None:
    """The books: counters, closed periods and idempotency keys, which stand for the ledger of usage events."""


@books.command("check")
@click.option("--app", "app_id", metavar="APP_ID", help="Check this tenant alone (test_… or live_…).")
@click.option(
    "--repair", is_flag=True, help="Put right what differs from the ledger. The ledger itself is never changed."
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 1_000_000),
    default=COUNTERS_PER_PART,
    show_default=True,
    help="Counters, or closed periods, that one statement compares.",
)
@click.pass_context
def check(ctx: click.Context, app_id: str | None, repair: bool, batch_size: int) -> None:
    """Prove that every counter and every closed period equals its ledger, and every idempotency key names its event. Others
    can write meanwhile.

    A difference is a line: what is wrong, tenant, user, feature, period, what the counter (or history, or key) says, what the
    ledger says, and what was done about it, with tabs in between. Ends with 1 if any is left.
    """
    progress = Progress()
    done, events, outcomes = dict.fromkeys(Step, 0), 0, Counter[Outcome]()
    for part in check_books(app_id, repair=repair, counters_per_part=batch_size):
        done[part.step] = part.done
        if part.step is Step.LEDGER:
            events += part.events
        if part.differences:
            progress.make_room()
        for difference in part.differences:
            click.echo(_line(difference))
            outcomes[difference.outcome] += 1
        if part.is_cut:
            click.echo(f"More than {len(part.differences):,} differences in one part: there are others.", err=True)
        progress.show(part.step, done=part.done, total=part.total, events=part.events)
    counters, periods = done[Step.COUNTERS], done[Step.HISTORY]
    click.echo(f"Checked {counters:,} counters, {periods:,} closed periods and {events:,} events: {_summary(outcomes)}")
    if any(outcome.is_left for outcome in outcomes):
        ctx.exit(1)


def _line(one: Difference) -> str:
    columns = (
        one.kind,
        one.app_id,
        one.user_id,
        one.feature_id,
        _shown(one.period),
        _shown(one.counter),
        _shown(one.ledger),
        one.outcome,
    )
    return "\t".join("-" if column is None else column for column in columns)


def _shown(value: int | datetime | Period | None) -> str | None:
    if isinstance(value, datetime):
        return clock.to_wire(value)
    if isinstance(value, Period):
        return f"{clock.to_wire(value.start)}/{clock.to_wire(value.end)}"
    return None if value is None else str(value)


def _summary(outcomes: Counter[Outcome]) -> str:
    if not outcomes:
        return "the books are right."
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items()))
    return f"differences: {told}."
