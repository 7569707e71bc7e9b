"""Usage starts anew with each period: the job that closes those that have ended, and moves their counters to the present.

Nothing waits for it. Whoever reads or records usage computes the present period, and takes its total from the ledger if the
counter stands for another one. The job writes down what was used in a period that has ended, and what was allowed at its end,
before anybody forgets; and it moves the counters of those who have not come back since.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlmodel import Session

from app import clock, jobs
from app.contract.webhook_events import UsageReset
from app.db import Pool, after_commit
from app.domain.closing import Tenure, Walk, giver_of, walk
from app.domain.entitlements import Limited
from app.domain.periods import Period
from app.domain.webhooks import WebhookEventType
from app.queries import ledger
from app.queries import usage_periods as queries
from app.queries.ledger import Window
from app.queries.outbox import Announcement
from app.queries.standings import Counter, Pair, move_counters, names_of_pairs
from app.queries.usage_periods import BEFORE_ALL, Closed, Position
from app.services import outbox
from app.services.consumption_views import as_int
from app.services.plain_resets import close_all_plain
from app.services.sweeps import RUN_SECONDS, Sweep, Swept, run

BATCH = 500
"""Few enough that a call which needs one of these counters does not notice that it waited."""

PERIODS_AT_ONCE = 50
"""How many missed periods of one counter a batch closes; the next batch goes on."""


def reset_due(run_seconds: float = RUN_SECONDS) -> Swept:
    """Close every period that has ended, and move its counter to the one that holds the present, however many were missed.

    Any number at once, and again: what is closed is not due any more. Raises OverloadedError.
    """
    plainly, is_over = close_all_plain(run_seconds)
    if plainly and not is_over:
        return Swept(handled=plainly, set_aside=0, more=True)
    this = _Run()
    swept = run(
        Sweep(
            jobs.RESET_DUE,
            due=this.due,
            handle=this.close,
            id_of=lambda pair: f"{pair[1]}/{pair[2]}",
            tenants=queries.tenants_due_for_reset,
            batch=BATCH,
            pool=Pool.METERING,
        ),
        run_seconds,
    )
    return replace(swept, handled=swept.handled + plainly)


class _Run:
    """One run, which goes through the counters of each tenant once, in the order in which they were due."""

    def __init__(self) -> None:
        self._done: dict[int, Position] = {}
        self._taken: list[Position] = []

    def due(self, session: Session, tenant_id: int, now: datetime, limit: int, but_not: Sequence[str]) -> list[Pair]:
        """The next counters, locked; when there are no more, pairs that left periods behind, once for each of these."""
        after = self._done.get(tenant_id, BEFORE_ALL)
        self._taken = queries.ended_counters(session, tenant_id, now, after, limit, but_not)
        pairs = [(tenant_id, user_key, feature_key) for _, user_key, feature_key in self._taken]
        if len(pairs) < limit:
            pairs += queries.counters_with_left_periods(session, tenant_id, now, limit - len(pairs), but_not)
        return pairs

    def close(self, session: Session, due: Sequence[Pair], now: datetime) -> None:
        """Close what has ended of these pairs, and remember where that was."""
        close_by_rules(session, list(dict.fromkeys(due)), now)
        if self._taken:
            tenant_id, last = due[0][0], self._taken[-1]
            after_commit(session, lambda: self._done.update({tenant_id: last}))


def close_by_rules(session: Session, pairs: Sequence[Pair], now: datetime) -> None:
    """Close what has ended of pairs whose counters are locked, and bring these to the present."""
    counters = queries.counters_of(session, pairs)
    tenures = queries.tenures(session, pairs, now)
    left = queries.left_periods(session, pairs, now)
    walks = {pair: _walks(counter, left.get(pair, ()), tenures[pair], now) for pair, counter in counters.items()}
    closing = _closing(session, counters, walks, tenures)
    written = queries.close_periods(session, closing, now)
    _move(session, counters, walks, now)
    _go_on_later(session, walks, left, now)
    _announce(session, [(window, closing[window]) for window in written])


def _walks(counter: Counter, left: Sequence[Period], tenures: Sequence[Tenure], now: datetime) -> list[Walk]:
    """From each period that was left, and from the counter's own if it has ended."""
    standing = [counter.period] if counter.period and counter.period.end <= now else []
    return [walk(period, tenures, now, PERIODS_AT_ONCE) for period in (*left, *standing)]


def _closing(
    session: Session, counters: dict[Pair, Counter], walks: dict[Pair, list[Walk]], tenures: dict[Pair, list[Tenure]]
) -> dict[Window, Closed]:
    """What to write about each period that has ended."""
    windows = list(
        dict.fromkeys((pair, period) for pair, all_ in walks.items() for one in all_ for period in one.ended)
    )
    used = ledger.current_totals(session, windows, [counters[pair] for pair, _ in windows])
    terms: dict[Window, Limited] = {}
    for window in windows:
        giver = giver_of(window[1], tenures[window[0]])
        if giver:
            terms[window] = giver
    terms |= queries.last_terms(session, [window for window in windows if window not in terms])
    return {
        window: Closed(total, terms[window].limit, terms[window].overage_enabled)
        if window in terms
        else Closed(total, None, overage_enabled=False)
        for window, total in zip(windows, used, strict=True)
    }


def _move(session: Session, counters: dict[Pair, Counter], walks: dict[Pair, list[Walk]], now: datetime) -> None:
    """Let the counters that stood for a period which has ended stand for the one that follows; for none if there is none."""
    moving = {pair: counter for pair, counter in counters.items() if counter.period and counter.period.end <= now}
    # The counter's own walk is the last one.
    windows = [(pair, following) for pair in moving if (following := walks[pair][-1].following)]
    used = dict(zip(windows, ledger.replayed_totals(session, windows), strict=True))
    moved = {pair: Counter(None, 0, counter.held_until) for pair, counter in moving.items()}
    moved |= {pair: Counter(period, used[pair, period], moving[pair].held_until) for pair, period in windows}
    if moved:
        move_counters(session, moved)


def _go_on_later(
    session: Session, walks: dict[Pair, list[Walk]], left: dict[Pair, list[Period]], now: datetime
) -> None:
    """Where a walk from a left period was cut short, leave the one where it has to go on."""
    cut = {
        (pair, one.following): 0
        for pair in left
        for one in walks[pair][: len(left[pair])]
        if one.following and one.following.end <= now
    }
    if cut:
        queries.leave_periods(session, cut)


def _announce(session: Session, closed: Sequence[tuple[Window, Closed]]) -> None:
    """Tell who wants to know of the periods that are in the history now; those of one tenant."""
    if not closed:
        return
    ((tenant_id, *_), _), _ = closed[0]
    if not outbox.is_wanted(session, tenant_id, WebhookEventType.USAGE_RESET):
        return
    names = names_of_pairs(session, {pair for (pair, _), _ in closed})
    outbox.announce(session, [_announcement(window, names[window[0]], told) for window, told in closed])


def _announcement(window: Window, names: tuple[str, str], closed: Closed) -> Announcement:
    (tenant_id, user_key, feature_key), period = window
    user_id, feature_id = names
    start, end = clock.to_wire(period.start), clock.to_wire(period.end)
    data = UsageReset(
        user_id=user_id,
        feature_id=feature_id,
        used=as_int(closed.used),
        limit=closed.limit,
        overage_enabled=closed.overage_enabled,
        period_start=start,
        period_end=end,
    )
    once_key = f"{WebhookEventType.USAGE_RESET}:{user_key}:{feature_key}:{start}:{end}"
    return Announcement(tenant_id, WebhookEventType.USAGE_RESET, user_key, data, once_key)
