"""Stripe's meters: one for each feature of a package that is billed by the unit. No call to Stripe is in a transaction.

Not one for all packages: a meter knows customers and no subscriptions, so a customer of two packages would pay twice.
"""

from uuid import uuid4

from app import clock
from app.db import transaction
from app.gateways.billing import BillingGateway, each_page
from app.gateways.billing_errors import BillingRefusedError
from app.gateways.billing_shapes import Meter
from app.queries import billing_meters as queries
from app.queries.billing_meters import Metered

_NAME_MAX = 250
"""Stripe's."""


def meter_of(billing: BillingGateway, metered: Metered, *, key: str) -> str:
    """The id of the meter, which is made if there is none. `key`: the idempotency key for that.

    Its event name is written down first, so whoever finds it taken finds the meter that an answer was lost about.

    Raises:
        BillingError: Stripe does not answer, or refuses.
        OverloadedError: the database is busy or away.
    """
    with transaction() as session:
        row, name = queries.kept_meter(session, metered, f"meterline_{uuid4().hex}", clock.now())
        event_name, meter_id = row.event_name, row.meter_id
    if meter_id is not None:
        return meter_id
    try:
        made = billing.create_meter(event_name, name=name[:_NAME_MAX], key=key)
    except BillingRefusedError:
        found = _named(billing, event_name)
        if found is None:
            raise
        made = found
    with transaction() as session:
        return queries.note_made(session, metered, made.id)


def _named(billing: BillingGateway, event_name: str) -> Meter | None:
    pages = each_page(lambda after: billing.meters(after=after))
    return next((each for page in pages for each in page.items if each.event_name == event_name), None)
