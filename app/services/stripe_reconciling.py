"""Everything that keeps us and Stripe together, once, in order and in this process: for an operator who wants it now, and told.

It needs no worker. Without `repair` nothing is written.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from app import clock
from app.db import transaction
from app.domain.stripe_events import groups
from app.gateways.billing import BillingGateway, Lane
from app.gateways.stripe import stripe_gateway
from app.queries import stripe_inbox as inbox
from app.services.checkout_differences import settled_links, unsettled_links
from app.services.checkout_sweeping import sweep_and_tell
from app.services.stripe_catch_up import catch_up_events, pages, read_from
from app.services.stripe_checks import PRICES, SUBSCRIPTIONS, note_whole
from app.services.stripe_comparing import NOTHING
from app.services.stripe_comparison import compare_page, compare_unlisted
from app.services.stripe_differences import Difference, Outcome
from app.services.stripe_events import handle_event
from app.services.stripe_prices import check_templates

_BATCH = 100


class Step(StrEnum):
    INBOX = "events that wait"
    EVENTS = "events that did not come"
    LINKS = "links to pay by"
    SUBSCRIPTIONS = "subscriptions"
    COPIES = "copies that Stripe did not list"
    PRICES = "billing templates"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a step: how much of the step is done by now, and what differed in this part."""

    step: Step
    done: int
    differences: list[Difference] = field(default_factory=list)


def reconcile(*, repair: bool) -> Iterator[Part]:
    """Bring us and Stripe together, or only say where we differ.

    Raises:
        BillingError: Stripe does not answer, or there is no key. What was done stays done.
        OverloadedError: the database is busy or away; likewise.
    """
    gateway = stripe_gateway(Lane.SWEEPS)
    tried: set[str] = set()
    yield from _handled(Step.INBOX, "event not handled", tried, repair=repair)
    yield from _caught_up(gateway, tried, repair=repair)
    yield from _links(gateway, repair=repair)
    yield from _noted(SUBSCRIPTIONS, _subscriptions(gateway, repair=repair), is_noted=repair)
    yield from _noted(PRICES, _prices(gateway, repair=repair), is_noted=repair)


def _handled(step: Step, what: str, tried: set[str], *, repair: bool) -> Iterator[Part]:
    """Events that are in the inbox and wait, by id; each is tried once, whether or not it is due, and is in `tried` then."""
    done, after = 0, ""
    while True:
        with transaction() as session:
            waiting = inbox.waiting_after(session, after, _BATCH)
        found = []
        for event_id, type_ in waiting:
            if event_id not in tried:
                tried.add(event_id)
                outcome = _tried(event_id) if repair else Outcome.FOUND
                found.append(Difference(what, None, event_id, "waits", type_, outcome))
        done += len(found)
        yield Part(step, done, found)
        if len(waiting) < _BATCH:
            return
        after = waiting[-1][0]


def _tried(event_id: str) -> Outcome:
    handle_event(event_id)
    with transaction() as session:
        return Outcome.REPAIRED if inbox.is_handled(session, event_id) else Outcome.LEFT


def _caught_up(gateway: BillingGateway, tried: set[str], *, repair: bool) -> Iterator[Part]:
    if repair:
        catch_up_events(run_seconds=math.inf)
        yield from _handled(Step.EVENTS, "event did not come", tried, repair=True)
        return
    done, since = 0, read_from(gateway)
    for types in groups():
        for events in pages(gateway, types, since):
            with transaction() as session:
                known = inbox.known(session, [each.id for each in events])
            done += len(events)
            missing = [each for each in events if each.id not in known]
            found = [
                Difference("event did not come", None, each.id, NOTHING, each.type, Outcome.FOUND) for each in missing
            ]
            yield Part(Step.EVENTS, done, found)


def _links(gateway: BillingGateway, *, repair: bool) -> Iterator[Part]:
    done = 0
    if not repair:
        for looked_at, found in unsettled_links(gateway):
            done += looked_at
            yield Part(Step.LINKS, done, found)
        return
    while True:
        swept, settled = sweep_and_tell(gateway)
        done += swept.handled
        yield Part(Step.LINKS, done, settled_links(settled))
        if not swept.more:
            return


def _subscriptions(gateway: BillingGateway, *, repair: bool) -> Iterator[Part]:
    began_at = clock.now()
    listed: set[str] = set()
    done, after = 0, None
    while True:
        part, ids = compare_page(gateway, after, repair=repair)
        listed.update(ids)
        done += part.looked_at
        yield Part(Step.SUBSCRIPTIONS, done, part.differences)
        after = part.next_after
        if after is None:
            break
    done, after = 0, ""
    while after is not None:
        part = compare_unlisted(gateway, began_at, after, listed, repair=repair)
        done += part.looked_at
        yield Part(Step.COPIES, done, part.differences)
        after = part.next_after


def _prices(gateway: BillingGateway, *, repair: bool) -> Iterator[Part]:
    done, after = 0, 0
    while True:
        part = check_templates(gateway, after, repair=repair)
        done += part.looked_at
        yield Part(Step.PRICES, done, part.differences)
        if part.next_after is None:
            return
        after = int(part.next_after)


def _noted(kind: str, parts: Iterator[Part], *, is_noted: bool) -> Iterator[Part]:
    """Once the last part is done, the monitors are told."""
    found: list[Difference] = []
    for part in parts:
        found += part.differences
        yield part
    if is_noted:
        note_whole(kind, found)
