"""What was paid by links without our being told is found: by Stripe's list of complete sessions, and link by link."""

import time
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from uuid import UUID

import structlog

from app import clock, jobs
from app.db import transaction
from app.domain import billing_tags
from app.domain.billing import SubscriptionLinkStatus, link_id_of, may_become
from app.errors import OverloadedError
from app.faults import in_words
from app.gateways.billing import BillingGateway, Lane, each_page
from app.gateways.billing_errors import (
    BillingError,
    BillingNotConfiguredError,
    BillingNotFoundError,
    BillingUnavailableError,
)
from app.gateways.billing_shapes import CheckoutSession, CheckoutStatus, PaymentStatus
from app.gateways.stripe import stripe_gateway
from app.queries import checkout_links as links
from app.queries import checkout_looks as looks
from app.queries import job_records as records
from app.queries.checkout_looks import Due
from app.queries.stripe_copies import tenant_ids_of_mode
from app.services.checkout_closing import close_page, is_of_no_use
from app.services.checkout_settling import follow_session
from app.services.sweeps import Swept
from app.settings import settings

log = structlog.get_logger(__name__)

RUN_SECONDS = 120.0
_BATCH = 20
_PAGES = 50
# One look may fail by itself; after so many in a row Stripe is away.
_AWAY_AFTER = 3
# Whose look fails is looked at again after so long.
_AGAIN_AFTER = timedelta(minutes=10)
# So far Stripe's clock may be behind ours.
_CLOCKS = timedelta(minutes=10)
_GIVEN_UP_AFTER = timedelta(days=7)
_UNKNOWN = "Stripe does not know its page: was it made with the key of another account?"


def look_at_link(tenant_id: int, link_id: str, gateway: BillingGateway | None = None) -> int:
    """See what has become of one link, and return how many were settled. If Stripe is away, the sweep does it.

    Raises:
        OverloadedError: the database is busy or away.
    """
    with transaction() as session:
        row = links.link_by_id(session, tenant_id, UUID(link_id))
        if row is None or row.session_id is None or row.look_at is None:
            return 0
        due = Due(tenant_id, row.id, row.session_id, row.status)
    try:
        return _look(gateway or stripe_gateway(), due)
    except (BillingUnavailableError, BillingNotConfiguredError) as error:
        log.info("stripe.link_not_looked_at", tenant_id=tenant_id, link_id=link_id, error=type(error).__name__)
        return 0


def sweep_links(gateway: BillingGateway | None = None, run_seconds: float = RUN_SECONDS) -> Swept:
    """Settle the links that were paid, closed or refused without our knowing, for about so long; how many that were.

    One that makes trouble is set aside and the others go on.

    Raises:
        BillingUnavailableError: Stripe is away. What was done stays done, and the rest is found by the next run.
        OverloadedError: the database is busy or away.
    """
    if gateway is None and not settings().stripe_api_key:
        return Swept(handled=0, set_aside=0, more=False)
    swept, _ = sweep_and_tell(gateway or stripe_gateway(Lane.SWEEPS), run_seconds)
    return swept


def sweep_and_tell(gateway: BillingGateway, run_seconds: float = RUN_SECONDS) -> tuple[Swept, list[Due]]:
    """The same, and which links were settled, as they were before."""
    sweep = _Sweep(gateway, time.monotonic() + run_seconds)
    return sweep.run(), sweep.settled


def complete_ones(gateway: BillingGateway, tenant_ids: Collection[int]) -> Iterator[list[tuple[CheckoutSession, Due]]]:
    """Links of these tenants that say something else than their complete page, by Stripe's list: a hundred sessions in one call.

    Raises:
        BillingUnavailableError: Stripe is away.
    """
    with transaction() as session:
        oldest = looks.oldest_open_at(session, tenant_ids)
    if oldest is None:
        return
    since = oldest - _CLOCKS
    pages = each_page(
        lambda after: gateway.checkout_sessions(status=CheckoutStatus.COMPLETE, created_from=since, after=after)
    )
    for page in islice(pages, _PAGES):
        yield _unknown_of(page.items, tenant_ids)


class _Sweep:
    def __init__(self, gateway: BillingGateway, deadline: float) -> None:
        self._gateway = gateway
        self._deadline = deadline
        self._in_a_row = 0
        self._away: BillingUnavailableError | None = None
        self.settled: list[Due] = []
        self._set_aside = 0
        with transaction() as session:
            self._ours = tenant_ids_of_mode(session, live=gateway.live)

    def run(self) -> Swept:
        self._complete_ones()
        more = self._due_ones()
        if self._away is not None and self._in_a_row >= _AWAY_AFTER:
            raise self._away
        return Swept(handled=len(self.settled), set_aside=self._set_aside, more=more)

    def _complete_ones(self) -> None:
        try:
            for pairs in complete_ones(self._gateway, self._ours):
                for found, due in pairs:
                    self._try(due, found)
                if self._is_over():
                    return
        except BillingUnavailableError as error:
            self._note_away(error)

    def _due_ones(self) -> bool:
        """Whether there may be more to do at once."""
        while not self._is_over():
            with transaction() as session:
                now = clock.now()
                taken = looks.take_due(session, self._ours, now, now + _AGAIN_AFTER, _BATCH)
            for due in taken:
                self._try(due, None)
            if len(taken) < _BATCH:
                return False
        return self._in_a_row < _AWAY_AFTER

    def _is_over(self) -> bool:
        return self._in_a_row >= _AWAY_AFTER or time.monotonic() > self._deadline

    def _try(self, due: Due, found: CheckoutSession | None) -> None:
        if self._in_a_row >= _AWAY_AFTER:
            return
        try:
            if _look(self._gateway, due, found):
                self.settled.append(due)
            self._in_a_row = 0
        except BillingUnavailableError as error:
            self._note_away(error)
        except OverloadedError:
            raise
        except Exception as error:  # noqa: BLE001 — whatever it is, it must not keep others from what they paid for
            self._put_aside(due, error)

    def _note_away(self, error: BillingUnavailableError) -> None:
        self._in_a_row, self._away = self._in_a_row + 1, error
        log.info("stripe.sweep_not_answered", error=type(error).__name__)

    def _put_aside(self, due: Due, error: Exception) -> None:
        self._set_aside += 1
        name, link_id = jobs.SWEEP_LINKS.name, str(due.link_id)
        log.error("jobs.row_set_aside", job=name, tenant_id=due.tenant_id, row_id=link_id, exc_info=error)
        with transaction() as session:
            records.set_aside(session, due.tenant_id, name, link_id, in_words(error), clock.now())


def _unknown_of(sessions: Sequence[CheckoutSession], tenant_ids: Collection[int]) -> list[tuple[CheckoutSession, Due]]:
    """Those of our links that say something else than their complete page."""
    by_page = {each.id: each for each in sessions}
    by_tag = {link_id: each for each in sessions if (link_id := link_id_of(each.metadata.get(billing_tags.LINK)))}
    with transaction() as session:
        rows = looks.links_of_sessions(session, tenant_ids, list(by_page), list(by_tag))
        pairs = [(by_page.get(row.session_id or "") or by_tag[row.id], row) for row in rows]
        return [
            (found, Due(row.tenant_id, row.id, found.id, row.status))
            for found, row in pairs
            if may_become(row.status, _said_by(found))
        ]


def _said_by(found: CheckoutSession) -> SubscriptionLinkStatus:
    is_unpaid = found.payment_status in (PaymentStatus.UNPAID, PaymentStatus.UNKNOWN)
    return SubscriptionLinkStatus.UNPAID if is_unpaid else SubscriptionLinkStatus.PAID


def _look(gateway: BillingGateway, due: Due, found: CheckoutSession | None = None) -> bool:
    try:
        found = found or gateway.checkout_session(due.session_id)
        if found.status is CheckoutStatus.OPEN and is_of_no_use(due.tenant_id, due.link_id):
            is_settled = close_page(gateway, found.id)
        else:
            is_settled = follow_session(gateway, found)
    except BillingNotFoundError as error:
        return _give_up(due, error)
    with transaction() as session:
        records.forgive(session, due.tenant_id, jobs.SWEEP_LINKS.name, [str(due.link_id)])
    return is_settled


def _give_up(due: Due, error: BillingError) -> bool:
    log.error("stripe.session_unknown", tenant_id=due.tenant_id, link_id=str(due.link_id), error=error.message)
    with transaction() as session:
        row = links.locked_link(session, due.tenant_id, due.link_id)
        now = clock.now()
        # With a wrong key Stripe knows none of them, until somebody has put that right.
        if row is None or row.look_at is None or now < (row.expires_at or row.created_at) + _GIVEN_UP_AFTER:
            return False
        row.status, row.error = SubscriptionLinkStatus.FAILED, _UNKNOWN
        row.look_at, row.updated_at = None, now
    return True
