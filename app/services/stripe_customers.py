"""A customer whom Stripe does not have any more is nobody's."""

from app import clock
from app.db import transaction
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingNotFoundError
from app.queries import stripe_copies as queries


def forget_if_deleted(gateway: BillingGateway, customer_id: str) -> None:
    """Take a deleted customer's id from whoever has it: a link for it would fail. Of its subscriptions Stripe tells by itself.

    Raises:
        BillingError: Stripe does not answer.
        OverloadedError: the database is busy or away.
    """
    try:
        is_gone = gateway.customer(customer_id).deleted
    except BillingNotFoundError:
        is_gone = True
    if is_gone:
        with transaction() as session:
            ours = queries.tenant_ids_of_mode(session, live=gateway.live)
            queries.forget_customer(session, ours, customer_id, clock.now())
