"""`meterline schedule` and `meterline status`: what the jobs do, and whether all is well."""

import json
from datetime import datetime

import click
import msgspec

from app import clock
from app.cli.operators import OperatorCommand
from app.services.job_states import JobState, list_states
from app.services.status import PING_SECONDS, Records, Status
from app.services.status import status as look


@click.command(cls=OperatorCommand)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def schedule(as_json: bool) -> None:
    """List every job: what it is for, how often it is sent and by which setting, when it ran last, and how it went."""
    states = list_states()
    if as_json:
        click.echo(_json(states))
        return
    now = clock.now()
    for state in states:
        click.echo(f"{state.name}  ({state.queue})\n  {state.about}\n  {_how_often(state)}\n  {_last_run(state, now)}")


def _how_often(state: JobState) -> str:
    if state.setting is None:
        return "sent when there is cause"
    if state.period_seconds is None:
        return f"switched off ({state.setting}=0)"
    return f"every {state.period_seconds:g} s ({state.setting})"


def _last_run(state: JobState, now: datetime) -> str:
    if state.started_at is None:
        said = "has not run yet"
    elif state.succeeded_at is None:
        said = f"began {_ago(state.started_at, now)}"
    else:
        said = f"done {_ago(state.succeeded_at, now)} in {state.seconds:.3f} s, {state.handled:,} things"
    return f"{said}; {state.problem}" if state.problem else said


@click.command(cls=OperatorCommand)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Say whether all is well. Ends with 0 if it is, and with 1 if something is late, failed or away.

    Looks at the queues, the workers, the last run of each job, and the oldest row that waits for one.
    """
    seen = look(ping_workers=True)
    if as_json:
        click.echo(_json(seen))
    else:
        _print(seen)
    if seen.problems:
        ctx.exit(1)


def _print(seen: Status) -> None:
    click.echo(f"messages         {_messages(seen)}")
    if seen.stripe is not None:
        click.echo(f"Stripe           {'does not answer' if seen.stripe.is_shut else 'is asked'}")
    click.echo(f"workers          {', '.join(seen.workers or []) or f'none answered within {PING_SECONDS:g} s'}")
    if seen.records is None:
        click.echo("database         away")
    else:
        _print_records(seen.records, seen.at)
    for problem in seen.problems:
        click.echo(f"PROBLEM          {problem}")
    click.echo("Not all is well." if seen.problems else "All is well.")


def _messages(seen: Status) -> str:
    if seen.messages is None:
        return "unknown, the broker is away"
    waiting = ", ".join(f"{count:,} {queue}" for queue, count in seen.messages.waiting.items())
    return f"{waiting}; {seen.messages.in_hand:,} in hand"


def _print_records(records: Records, now: datetime) -> None:
    sent_at = records.beat_sent_at
    click.echo(f"beat             {f'sent a job last at {clock.to_wire(sent_at)}' if sent_at else 'never sent a job'}")
    for state in records.jobs:
        click.echo(f"{'job':<16} {state.name}: {_last_run(state, now)}")
    for one in records.backlogs:
        said = f"the oldest is due since {_ago(one.oldest_at, now)}" if one.oldest_at else "nothing is due"
        click.echo(f"{'waiting':<16} {one.kind}: {said}")
    for kind, found in records.waiting_for_stripe.items():
        said = f"{found.count:,}, the oldest of {_ago(found.since, now)}" if found.since else "none"
        click.echo(f"{'at Stripe':<16} {kind.replace('_', ' ')}: {said}")
    heard = records.last_webhook_at
    click.echo(f"last webhook     {f'came from Stripe {_ago(heard, now)}' if heard else 'none came from Stripe yet'}")
    click.echo(f"rows set aside   {records.rows_set_aside.count:,}")
    click.echo(f"books            {records.books_differences:,} differences at the last check")
    for check in records.stripe_checks:
        said = f"{check.differences:,} differences {_ago(check.checked_at, now)}, {check.left:,} left"
        click.echo(f"{'Stripe':<16} {check.name}: {said}")
    click.echo(f"dead webhooks    {records.dead_webhooks.count:,}")
    until = records.ledger_covered_until
    click.echo(f"ledger's months  {f'until {until:%Y-%m-%d}' if until else 'none'}")


def _ago(moment: datetime, now: datetime) -> str:
    seconds = (now - moment).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _json(value: object) -> str:
    return json.dumps(msgspec.to_builtins(value, enc_hook=str), indent=2)
