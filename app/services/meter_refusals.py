"""What Stripe's meters took of us and then could not count, as thin events tell: given up, so that somebody looks.

The report that was told stays as it is; its next version is DEAD, because under its own name Stripe would not take it again.
"""

from collections.abc import Sequence

import structlog

from app import clock
from app.db import transaction
from app.domain.overage import named_by
from app.gateways.billing import BillingGateway
from app.gateways.billing_shapes import MeterRefusal
from app.queries import meter_reports as reports
from app.queries.meter_comparisons import compare_soon
from app.queries.stripe_copies import tenant_ids_of_mode

log = structlog.get_logger(__name__)


def note_meter_errors(gateway: BillingGateway, event_id: str) -> int:
    """Give up what an event says was not counted, and return how many reports that were. Twice is as good as once.

    Raises:
        BillingError: Stripe does not answer, or does not know the event.
        OverloadedError: the database is busy or away. What was noted stays so.
    """
    found = gateway.meter_errors(event_id)
    with transaction() as session:
        tenant_ids = tenant_ids_of_mode(session, live=gateway.live)
    noted = sum(_note(tenant_ids, each) for each in found.named)
    # Stripe names some of them only.
    if found.meter_id is not None and found.count > len(found.named):
        with transaction() as session:
            compare_soon(session, tenant_ids, found.meter_id)
    log.warning("stripe.meter_errors", event_id=event_id, meter_id=found.meter_id, count=found.count, given_up=noted)
    return noted


def _note(tenant_ids: Sequence[int], refusal: MeterRefusal) -> bool:
    """False for what others told, or we ourselves have told anew since."""
    named = named_by(refusal.identifier)
    if named is None:
        return False
    error = f"{refusal.code}: {refusal.message}"
    with transaction() as session:
        item = reports.item_told(session, tenant_ids, named)
        if item is None:
            return False
        reports.lock_item(session, item)
        value = reports.give_up_told(session, item, named, error, clock.now())
    if value is None:
        return False
    log.error(
        "stripe.meter_report_dead",
        tenant_id=item[0],
        provider_subscription_id=named.subscription_id,
        package_key=named.package_key,
        feature_key=named.feature_key,
        hour=clock.to_wire(named.hour),
        version=named.version,
        value=value,
        error=refusal.code,
    )
    return True
