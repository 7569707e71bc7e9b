"""A team comes along with an account at Stripe: its prices, customers and subscriptions become ours, tenant by tenant.

Everything may be done again: what is there already is left as it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from app.db import transaction
from app.domain import billing_tags
from app.gateways.billing import BillingGateway, Lane, each_page
from app.gateways.stripe import stripe_gateway
from app.queries import stripe_copies as copy_queries
from app.queries.tenants import tenant_by_public_id
from app.services.billing_refusals import check_mode
from app.services.stripe_import_customers import Customers, take_in
from app.services.stripe_import_prices import Mapped, list_prices, map_prices
from app.services.stripe_import_subscriptions import Subscriptions, take_over
from app.services.stripe_imported import Imported

USER_TAG = billing_tags.USER


class Step(StrEnum):
    PRICES = "prices"
    CUSTOMERS = "customers"
    SUBSCRIPTIONS = "subscriptions"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a step: how much of the step is done by now, and what became of the things of this part."""

    step: Step
    done: int
    imported: list[Imported] = field(default_factory=list)


def import_account(
    app_id: str, mapping: Mapping[str, str], *, user_tag: str = USER_TAG, dry_run: bool = False
) -> Iterator[Part]:
    """Take over what is at Stripe for one tenant. `mapping`: packages by price. `user_tag`: metadata of customers with user ids.

    Raises:
        LookupError: there is no such tenant, or no package or price of `mapping`; nothing was done.
        BillingError: Stripe does not answer, or the tenant is of the other mode. What was done stays done.
        OverloadedError: the database is busy or away; likewise.
    """
    gateway = stripe_gateway(Lane.SWEEPS)
    with transaction() as session:
        tenant = tenant_by_public_id(session, app_id)
        if tenant is None:
            raise LookupError(f"There is no tenant {app_id}")
        ours = copy_queries.tenant_ids_of_mode(session, live=gateway.live)
        tenant_id = tenant.id
    check_mode(app_id, gateway)
    mapped = map_prices(gateway, tenant_id, mapping, dry_run=dry_run)
    yield from _prices(gateway, tenant_id, mapped)
    customers = Customers(app_id, tenant_id, ours, user_tag, dry_run=dry_run)
    yield from _customers(gateway, customers)
    subscriptions = Subscriptions(app_id, tenant_id, ours, customers, frozenset(mapped), dry_run=dry_run)
    yield from _subscriptions(gateway, subscriptions)


def _prices(gateway: BillingGateway, tenant_id: int, mapped: Mapped) -> Iterator[Part]:
    done = 0
    for page in each_page(lambda after: gateway.prices(after=after)):
        done += len(page.items)
        yield Part(Step.PRICES, done, list_prices(tenant_id, page.items, mapped))


def _customers(gateway: BillingGateway, customers: Customers) -> Iterator[Part]:
    done = 0
    for page in each_page(lambda after: gateway.customers(after=after)):
        living = [each for each in page.items if not each.deleted]
        done += len(living)
        yield Part(Step.CUSTOMERS, done, take_in(customers, living))


def _subscriptions(gateway: BillingGateway, subscriptions: Subscriptions) -> Iterator[Part]:
    done = 0
    for page in each_page(lambda after: gateway.subscriptions(after=after)):
        done += len(page.items)
        yield Part(Step.SUBSCRIPTIONS, done, take_over(gateway, subscriptions, page.items))
