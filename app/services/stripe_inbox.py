"""Stripe's webhooks are taken in: checked, written down and left to a job, within milliseconds."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

import structlog
from sqlmodel import Session

from app import clock, jobs
from app.db import transaction
from app.domain.stripe_events import WANTED_EVENTS
from app.gateways.billing_errors import BillingSignatureError
from app.gateways.billing_shapes import BillingEvent
from app.gateways.stripe_webhooks import verified_event
from app.queries import stripe_inbox as queries
from app.queries.stripe_backlog import note_webhook
from app.queries.stripe_inbox import Hint
from app.services.sweeps import Swept
from app.settings import settings

log = structlog.get_logger(__name__)

# What a lost message left behind is found after so long.
_REQUEUE_AFTER = timedelta(minutes=2)
_BATCH = 1_000
# Longer than Stripe lists events, or one that was dropped would be new again.
_KEPT = timedelta(days=40)


class Receipt(Enum):
    """What became of a webhook."""

    TAKEN = auto()
    """Written down, now or before, or of a kind that says nothing to us."""
    REFUSED = auto()
    """Not from Stripe, or not meant for us."""
    SWITCHED_OFF = auto()
    """No secret is set, so nothing can be told from a forgery."""


def take(body: bytes, signature: str | None) -> Receipt:
    """Take in a webhook: its raw body, and its `Stripe-Signature` header. A repeat is taken too, and changes nothing.

    Raises:
        OverloadedError: the database is busy or away; Stripe sends it again.
    """
    secrets = settings().stripe_webhook_secrets
    if not secrets:
        return Receipt.SWITCHED_OFF
    try:
        # Stripe signs by the real time, whatever our clock shows.
        event = verified_event(body, signature, secrets=secrets, now=datetime.now(UTC))
    except BillingSignatureError as refused:
        log.warning("stripe.webhook_refused", reason=refused.message)
        return Receipt.REFUSED
    if not _is_of_our_mode(event):
        log.warning("stripe.webhook_refused", reason="livemode is not that of STRIPE_API_KEY", event_id=event.id)
        return Receipt.REFUSED
    if event.type in WANTED_EVENTS:
        with transaction() as session:
            keep(session, [event])
            note_webhook(session, clock.now())
    return Receipt.TAKEN


def keep(session: Session, events: Sequence[BillingEvent]) -> int:
    """Put those that are new into the inbox, have them handled after the commit, and return how many they are."""
    now = clock.now()
    hints = [
        Hint(each.id, each.type, each.live, each.object_id, each.subscription_id, each.created_at) for each in events
    ]
    new = queries.put(session, hints, now, now + _REQUEUE_AFTER)
    for event_id in new:
        jobs.enqueue(session, jobs.HANDLE_STRIPE_EVENT, event_id)
    return len(new)


def requeue() -> Swept:
    """Have events handled that wait for it: their message was lost, or Stripe did not answer.

    Raises:
        OverloadedError: the database is busy or away.
    """
    room = _room()
    if not room:
        return Swept(handled=0, set_aside=0, more=False)
    with transaction() as session:
        now = clock.now()
        due = queries.take_due(session, now, now + _REQUEUE_AFTER, room)
        for event_id in due:
            jobs.enqueue(session, jobs.HANDLE_STRIPE_EVENT, event_id)
    return Swept(handled=len(due), set_aside=0, more=len(due) == room)


def _room() -> int:
    """How many messages may be sent again. While many wait, those of what is due are most likely among them: with another each,
    for as long as a backlog lasts, there would soon be many times as many, and the broker would be full.
    """
    found = jobs.messages()
    waiting = found.waiting[jobs.HANDLE_STRIPE_EVENT.queue] if found else 0
    return max(0, _BATCH - waiting)


def drop_old() -> int:
    """Drop the oldest events that were settled over 40 days ago, some thousands at a time; returns how many."""
    with transaction() as session:
        return queries.delete_handled(session, clock.now() - _KEPT, 10 * _BATCH)


def _is_of_our_mode(event: BillingEvent) -> bool:
    """Whether real money moves at both ends or at none. Without a key there is nothing to compare with."""
    key = settings().stripe_api_key
    return key is None or event.live == ("_live_" in key)
