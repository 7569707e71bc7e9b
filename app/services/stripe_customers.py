"""Whose customers are: a tenant acts for its own alone, and one whom Stripe does not have any more is nobody's."""

import structlog

from app import clock
from app.db import transaction
from app.domain import billing_tags
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingNotFoundError
from app.queries import stripe_copies as queries
from app.queries import stripe_customers as customers

log = structlog.get_logger(__name__)


def check_customer(gateway: BillingGateway, tenant_id: int, app_id: str, customer_id: str) -> None:
    """Refuse what a tenant wants for a customer who is not known to be its own, as if there were none.

    Our tag on the customer decides, else what was bought, else who was the first to say so (decision 0021).

    Raises:
        BillingNotFoundError: there is none, or it is another tenant's: no words tell which.
        BillingError: Stripe does not answer.
        OverloadedError: the database is busy or away.
    """
    tag = gateway.customer(customer_id).metadata.get(billing_tags.TENANT)
    if tag != app_id and (tag is not None or _owner(gateway, customer_id) != tenant_id):
        log.warning("stripe.customer_of_another", tenant_id=tenant_id, customer_id=customer_id)
        raise BillingNotFoundError(f"No such customer: '{customer_id}'", code="resource_missing", param="id")


def follow_customer(gateway: BillingGateway, customer_id: str) -> None:
    """What became of a customer becomes of its users. Of its subscriptions Stripe tells by itself.

    One that was deleted is nobody's `billingId` any more: a link for it would fail. Else a user that was made for the customer
    has its name and email address; of other users the app says what these are.

    Raises:
        BillingError: Stripe does not answer.
        OverloadedError: the database is busy or away.
    """
    try:
        found = gateway.customer(customer_id)
    except BillingNotFoundError:
        found = None
    with transaction() as session:
        ours = queries.tenant_ids_of_mode(session, live=gateway.live)
        if found is None or found.deleted:
            queries.forget_customer(session, ours, customer_id, clock.now())
            customers.forget(session, customer_id, ours)
        else:
            queries.name_buyer(session, ours, customer_id, found.name, found.email, clock.now())


def _owner(gateway: BillingGateway, customer_id: str) -> int | None:
    with transaction() as session:
        ours = queries.tenant_ids_of_mode(session, live=gateway.live)
        tenant_id, _ = customers.owners_of(session, ours, [customer_id]).get(customer_id, (None, False))
        return tenant_id
