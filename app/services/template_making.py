"""What workers do about billing templates: look the price up at Stripe, or make it. No call to Stripe is in a transaction.

Any number of workers may do it for one template at once: what they make has the same idempotency keys, so it is made once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session

from app import jobs, models
from app.db import transaction
from app.domain import billing_tags
from app.domain.billing import BillingTemplateStatus
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import (
    BillingKeyReusedError,
    BillingNotConfiguredError,
    BillingRefusedError,
    BillingUnavailableError,
)
from app.gateways.billing_shapes import BillingInterval, NewPrice, Price
from app.gateways.stripe import stripe_gateway
from app.queries import billing as queries
from app.queries.billing_meters import Metered
from app.queries.packages import packages_by_key
from app.queries.tenants import tenant_by_id
from app.services import sweeps
from app.services.billing import have_made
from app.services.billing_refusals import check_mode, told, why_not_for_sale
from app.services.meter_making import meter_of
from app.services.sweeps import Sweep, Swept

log = structlog.get_logger(__name__)

LOST_AFTER = timedelta(seconds=60)
"""Nothing of a worker for so long: its message was lost, or Stripe was away."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """A template as it was when the work on it began."""

    tenant_id: int
    app_id: str
    template_id: str
    package_id: str
    package_name: str
    price_id: str | None
    product_id: str | None
    amount_minor: int | None
    currency: str | None
    interval: str | None
    making_key: str
    attempt: int
    metered: Metered | None


def make_template(tenant_id: int, template_key: int, gateway: BillingGateway | None = None) -> int:
    """Make a PENDING template ACTIVE, or FAILED if Stripe will never do what it asks for. How many were settled.

    While Stripe is away it stays PENDING, with a note, and the sweep has it tried again.

    Raises:
        OverloadedError: the database is busy or away.
    """
    wish = _read(tenant_id, template_key)
    if wish is None:
        return 0
    try:
        billing = gateway or stripe_gateway()
        check_mode(wish.app_id, billing)
        price = _looked_up(billing, wish) if wish.price_id else _made(billing, wish)
    except (BillingUnavailableError, BillingKeyReusedError) as away:
        _note(wish, f"Stripe could not be asked yet: {away.message}", next_attempt=away.stored)
        return 0
    except (BillingRefusedError, BillingNotConfiguredError) as refused:
        _settle(wish, BillingTemplateStatus.FAILED, told(refused))
    else:
        _settle(wish, BillingTemplateStatus.ACTIVE, None, price)
    return 1


def sweep_templates() -> Swept:
    """Have made what nobody has made yet.

    Raises:
        OverloadedError: the database is busy or away. What was done stays done.
    """
    return sweeps.run(
        Sweep(job=jobs.SWEEP_TEMPLATES, due=_unmade, handle=_send_again, id_of=lambda template: template.id)
    )


def _read(tenant_id: int, template_key: int) -> _Wish | None:
    with transaction() as session:
        row = queries.template_by_key(session, tenant_id, template_key)
        tenant = tenant_by_id(session, tenant_id)
        if row is None or tenant is None or row.status is not BillingTemplateStatus.PENDING:
            return None
        package = packages_by_key(session, tenant_id, [row.package_key])[0]
        return _Wish(
            tenant_id=tenant_id,
            app_id=tenant.public_id,
            template_id=row.id,
            package_id=package.id,
            package_name=package.name or package.id,
            price_id=row.price_id,
            product_id=queries.product_made_for(session, tenant_id, row.package_key),
            amount_minor=row.amount_minor,
            currency=row.currency,
            interval=row.interval,
            making_key=f"template:{row.making_id}:{row.attempt}",
            attempt=row.attempt,
            metered=(tenant_id, row.package_key, row.metered_feature_key) if row.metered_feature_key else None,
        )


def _looked_up(billing: BillingGateway, wish: _Wish) -> Price:
    price = billing.price(wish.price_id or "")
    problem = why_not_for_sale(price, is_metered=wish.metered is not None)
    if problem:
        raise BillingRefusedError(f"The price {price.id} cannot be sold: {problem}.")
    return price


def _made(billing: BillingGateway, wish: _Wish) -> Price:
    tags = {billing_tags.TENANT: wish.app_id, billing_tags.PACKAGE: wish.package_id}
    product_id = wish.product_id
    if product_id is None:
        product_id = billing.create_product(wish.package_name, key=f"{wish.making_key}:product", metadata=tags).id
    meter_id = None
    if wish.metered is not None:
        meter_id = meter_of(billing, wish.metered, key=f"{wish.making_key}:meter")
    new = NewPrice(
        product_id=product_id,
        currency=wish.currency or "",
        amount_minor=wish.amount_minor or 0,
        interval=BillingInterval(wish.interval) if wish.interval else None,
        meter_id=meter_id,
        metadata={**tags, billing_tags.TEMPLATE: wish.template_id},
    )
    return billing.create_price(new, key=f"{wish.making_key}:price")


def _note(wish: _Wish, error: str, *, next_attempt: bool) -> None:
    with transaction() as session:
        row = queries.locked_template(session, wish.tenant_id, wish.template_id)
        if row is None or row.status is not BillingTemplateStatus.PENDING or row.attempt != wish.attempt:
            return
        row.error = error
        # Stripe would repeat its answer to this key for a day.
        row.attempt += next_attempt
    log.info("stripe.template_waits", tenant_id=wish.tenant_id, attempt=wish.attempt)


def _settle(wish: _Wish, status: BillingTemplateStatus, error: str | None, price: Price | None = None) -> None:
    with transaction() as session:
        row = queries.locked_template(session, wish.tenant_id, wish.template_id)
        if row is None or row.attempt != wish.attempt:
            return
        if price is not None:
            row.price_id, row.product_id = price.id, price.product_id
            row.amount_minor, row.currency = price.amount_minor, price.currency
            row.interval = price.interval and price.interval.value
        # One that was switched off meanwhile stays off. One that was on sale before is only off sale again: somebody may pay its
        # price for the package still, and it is back as soon as Stripe sells it.
        if row.status is BillingTemplateStatus.PENDING:
            was_made = price is None and row.price_id is not None and row.amount_minor is not None
            row.status, row.error = (BillingTemplateStatus.INACTIVE if was_made else status), error
    log.info("stripe.template_settled", tenant_id=wish.tenant_id, status=status.value)


def _unmade(
    session: Session, tenant_id: int, now: datetime, limit: int, but_not: Sequence[str]
) -> Sequence[models.BillingTemplate]:
    return queries.locked_unmade(session, tenant_id, now - LOST_AFTER, limit, but_not)


def _send_again(session: Session, rows: Sequence[models.BillingTemplate], now: datetime) -> None:
    for row in rows:
        have_made(session, row, now)
