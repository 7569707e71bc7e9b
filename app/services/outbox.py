"""Telling endpoints what happened: the messages are written in the transaction in which it did, and sent after its commit."""

from collections.abc import Iterable, Sequence

import msgspec
from sqlmodel import Session

from app import clock, jobs
from app.domain.webhooks import WebhookEventType
from app.queries import outbox
from app.queries.outbox import Announcement


def is_wanted(session: Session, tenant_id: int, type_: WebhookEventType) -> bool:
    """Whether some endpoint wants to be told. Ask before you gather what `announce` would say."""
    return bool(outbox.wanted(session, [(tenant_id, type_)]))


def wanted(session: Session, asked: Iterable[tuple[int, WebhookEventType]]) -> set[tuple[int, WebhookEventType]]:
    """As `is_wanted`, for several (tenant, type) at once. One statement."""
    return outbox.wanted(session, set(asked))


def announce(session: Session, announcements: Sequence[Announcement]) -> None:
    """Write down what happened for each endpoint that wants to know; rolled back with everything else. One statement, or none."""
    if not announcements:
        return
    texts = [msgspec.json.encode(each.data).decode() for each in announcements]
    if outbox.append(session, announcements, texts, clock.now()):
        jobs.enqueue(session, jobs.DELIVER_WEBHOOKS)
