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
    """As `is_wanted`, for several (tenant, type) at once."""
    return outbox.wanted(session, set(asked))


def announce(session: Session, announcements: Sequence[Announcement]) -> None:
    """Write down what happened for each endpoint that wants to know, if any; rolled back with everything else.

    Two statements at most; the first alone when nobody wants to know.
    """
    asked = wanted(session, ((each.tenant_id, each.type) for each in announcements)) if announcements else set()
    announce_wanted(session, [each for each in announcements if (each.tenant_id, each.type) in asked])


def announce_wanted(session: Session, announcements: Sequence[Announcement]) -> None:
    """`announce` for who has asked already which of them are wanted. One statement, or none."""
    if not announcements:
        return
    texts = [msgspec.json.encode(each.data).decode() for each in announcements]
    if outbox.append(session, announcements, texts, clock.now()):
        jobs.enqueue(session, jobs.DELIVER_WEBHOOKS)
