"""What has been used: event by event, newest first, and as a series for plots. Reads only."""

from sqlmodel import Session

from app import clock
from app.contract.actors import Actor
from app.contract.shapes import Page, PageRequest
from app.contract.usage_history import ReadUsageSeries, UsageEvent, UsagePoint, UsageSeries
from app.db import transaction
from app.domain.periods import Period
from app.domain.usage_history import bucket_start, buckets
from app.domain.values import check_id
from app.errors import FeatureNotFoundError, UsageEventNotFoundError, UserNotFoundError
from app.queries import usage_history as queries
from app.queries.ledger import Entry, entry_by_id, revert_of
from app.queries.standings import Pair, names_of, standings
from app.services.consumption_views import as_int, consumption_after
from app.services.paging import key_after
from app.services.row_ids import number_of


def list_usage_events(actor: Actor, page: PageRequest, user_id: str, feature_id: str) -> Page[UsageEvent]:
    """The ledger of a user and feature, newest first by the moment that events count at; refused ones too.

    Raises:
        UserNotFoundError, FeatureNotFoundError: an id that this tenant does not have.
        InvalidInputError: what is no id; or the page starts after an event that is not of this user and feature.
    """
    check_id("userId", user_id)
    check_id("featureId", feature_id)
    with transaction() as session:
        pair = _pair(session, actor, user_id, feature_id)
        after = key_after(page.starting_after, lambda id_: _of_pair(_entry(session, actor, id_), pair))
        told, has_more = queries.newest_entries(session, pair, after, page.limit)
    events = [event_view(entry, reverted_by, user_id, feature_id) for entry, reverted_by in told]
    return Page(data=events, has_more=has_more)


def get_usage_event(actor: Actor, event_id: str) -> UsageEvent:
    """Raises UsageEventNotFoundError."""
    with transaction() as session:
        entry = _entry(session, actor, event_id)
        if entry is None:
            raise UsageEventNotFoundError
        revert = revert_of(session, entry)
        return event_view(entry, revert.id if revert else None, *names_of(session, entry.pair))


def usage_series(actor: Actor, command: ReadUsageSeries) -> UsageSeries:
    """What recorded events applied, net, in each UTC hour, day or month of the range; the first and last are cut at it.

    Raises:
        UserNotFoundError, FeatureNotFoundError: an id that this tenant does not have.
    """
    interval, range_ = command.interval, Period(command.start, command.end)
    with transaction() as session:
        pair = _pair(session, actor, command.user_id, command.feature_id)
        applied = queries.applied_by_bucket(session, pair, interval, range_)
    points = [
        UsagePoint(
            start=clock.to_wire(bucket.start),
            end=clock.to_wire(bucket.end),
            used=as_int(applied.get(bucket_start(interval, bucket.start), 0)),
        )
        for bucket in buckets(interval, range_.start, range_.end)
    ]
    return UsageSeries(interval=interval, points=points)


def event_view(entry: Entry, reverted_by: int | None, user_id: str, feature_id: str) -> UsageEvent:
    """An entry of the ledger as callers see it."""
    return UsageEvent(
        id=str(entry.id),
        user_id=user_id,
        feature_id=feature_id,
        timestamp=clock.to_wire(entry.at),
        recorded_at=clock.to_wire(entry.recorded_at),
        action=entry.action,
        delta=as_int(entry.delta),
        applied=as_int(entry.applied),
        recorded=entry.recorded,
        reason=entry.reason,
        period_start=clock.to_wire(entry.period_start) if entry.period_start else None,
        period_end=clock.to_wire(entry.period_end) if entry.period_end else None,
        consumption=consumption_after(entry),
        idempotency_key=entry.idempotency_key,
        reverts_id=_shown(entry.reverts_id),
        reverted_by_id=_shown(reverted_by),
        reservation_id=_shown(entry.reservation_id),
    )


def _pair(session: Session, actor: Actor, user_id: str, feature_id: str) -> Pair:
    (standing,) = standings(session, [(actor.tenant_id, user_id, feature_id)])
    if standing.user_key is None:
        raise UserNotFoundError
    if standing.pair is None:
        raise FeatureNotFoundError
    return standing.pair


def _entry(session: Session, actor: Actor, event_id: str) -> Entry | None:
    number = number_of(event_id)
    return None if number is None else entry_by_id(session, actor.tenant_id, number)


def _of_pair(entry: Entry | None, pair: Pair) -> Entry | None:
    return entry if entry and entry.pair == pair else None


def _shown(id_: int | None) -> str | None:
    return None if id_ is None else str(id_)
