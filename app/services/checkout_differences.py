"""Links to pay by that say something else than their pages at Stripe, as `meterline stripe reconcile` tells them."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from app import clock
from app.db import transaction
from app.domain.billing import may_become
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingNotFoundError
from app.gateways.billing_shapes import CheckoutSession, CheckoutStatus
from app.queries import checkout_looks as looks
from app.queries import tenants
from app.queries.checkout_links import link_by_id
from app.queries.checkout_looks import Due
from app.queries.stripe_copies import tenant_ids_of_mode
from app.services.checkout_closing import is_of_no_use
from app.services.checkout_settling import seen_of
from app.services.checkout_sweeping import complete_ones
from app.services.stripe_comparing import NOTHING
from app.services.stripe_differences import Difference, Outcome

_LINK = "link"
_OF_NO_USE = "link to close"
_UNKNOWN = "link without page"
_BATCH = 20
_FIRST = UUID(int=0)


def unsettled_links(gateway: BillingGateway) -> Iterator[tuple[int, list[Difference]]]:
    """What the sweep would do now, without doing any of it: how many links a part of it looked at, and where we differ.

    Raises:
        BillingError: Stripe does not answer.
        OverloadedError: the database is busy or away.
    """
    with transaction() as session:
        ours = tenant_ids_of_mode(session, live=gateway.live)
        app_ids = {tenant.id: tenant.public_id for tenant in tenants.all_tenants(session)}
    told: set[UUID] = set()
    for pairs in complete_ones(gateway, ours):
        told |= {due.link_id for _, due in pairs}
        yield len(pairs), [one for found, due in pairs if (one := _difference(app_ids, due, found)) is not None]
    after: UUID | None = _FIRST
    while after is not None:
        with transaction() as session:
            due_ones = looks.due_after(session, ours, clock.now(), after, _BATCH)
        left = [due for due in due_ones if due.link_id not in told]
        yield len(left), [one for due in left if (one := _looked_at(gateway, app_ids, due)) is not None]
        after = due_ones[-1].link_id if len(due_ones) == _BATCH else None


def settled_links(settled: Sequence[Due]) -> list[Difference]:
    """What the sweep has done: `settled` are links as they were before."""
    with transaction() as session:
        app_ids = {tenant.id: tenant.public_id for tenant in tenants.all_tenants(session)}
        now_so = [(due, link_by_id(session, due.tenant_id, due.link_id)) for due in settled]
        return [
            Difference(_LINK, app_ids[due.tenant_id], due.session_id, due.status, row.status, Outcome.REPAIRED)
            for due, row in now_so
            if row is not None
        ]


def _looked_at(gateway: BillingGateway, app_ids: dict[int, str], due: Due) -> Difference | None:
    try:
        found = gateway.checkout_session(due.session_id)
    except BillingNotFoundError:
        return Difference(_UNKNOWN, app_ids[due.tenant_id], due.session_id, due.status, NOTHING, Outcome.FOUND)
    return _difference(app_ids, due, found)


def _difference(app_ids: dict[int, str], due: Due, found: CheckoutSession) -> Difference | None:
    app_id = app_ids[due.tenant_id]
    if found.status is CheckoutStatus.OPEN and is_of_no_use(due.tenant_id, due.link_id):
        return Difference(_OF_NO_USE, app_id, due.session_id, due.status, found.status, Outcome.FOUND)
    with transaction() as session:
        row = link_by_id(session, due.tenant_id, due.link_id)
        seen = seen_of(session, row, found, clock.now()) if row is not None else None
        if row is None or seen is None or not may_become(row.status, seen):
            return None
        return Difference(_LINK, app_id, due.session_id, row.status, seen, Outcome.FOUND)
