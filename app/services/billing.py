"""Billing templates: the prices behind packages. What has to be asked or made at Stripe is a worker's."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from sqlmodel import Session

from app import clock, jobs, models
from app.contract.actors import Actor
from app.contract.billing import BillingTemplate, CreateBillingTemplate, LinkPrice, UpdateBillingTemplate
from app.contract.shapes import Page, PageRequest
from app.db import transaction
from app.domain.billing import BillingTemplateStatus
from app.domain.money import display_amount
from app.domain.values import check_id
from app.errors import BillingTemplateNotFoundError, InvalidInputError, PackageNotFoundError
from app.queries import billing as queries
from app.queries.features import feature_ids
from app.queries.packages import contents_of, kept_packages, packages_by_id, packages_by_key
from app.services.conflicts import already_exists
from app.services.paging import key_after

_PROVIDER = "STRIPE"


def create_billing_template(actor: Actor, command: CreateBillingTemplate) -> BillingTemplate:
    """Put a price behind a package. It is PENDING until a worker has looked at the price at Stripe, or made it.

    Raises:
        PackageNotFoundError: there is no such package.
        InvalidInputError: the package gives no overage of the feature that is to be metered.
        AlreadyExistsError: the template's id is taken.
    """
    now = clock.now()
    with already_exists(_taken(command.id)), transaction() as session:
        row = _new(session, actor, command, BillingTemplateStatus.PENDING, now)
        if command.metered_feature_id is not None:
            row.metered_feature_key = _metered_feature_key(session, row, command.metered_feature_id)
        row.making_id = None if command.price_id else uuid4()
        have_made(session, row, now)
        return _views(session, actor, [row])[0]


def link_price(actor: Actor, command: LinkPrice) -> None:
    """Put a price behind a package without asking Stripe: for example data and for what is known to be right.

    Raises:
        PackageNotFoundError: there is no such package.
        AlreadyExistsError: the template's id is taken.
    """
    with already_exists(_taken(command.id)), transaction() as session:
        _new(session, actor, command, BillingTemplateStatus.ACTIVE, clock.now())


def update_billing_template(actor: Actor, template_id: str, command: UpdateBillingTemplate) -> BillingTemplate:
    """Switch a template off, so that no link is made from it, or on. What was sold by it goes on.

    One that failed, was switched off before it was made, or is off because Stripe does not sell its price, is tried again when it
    is switched on.

    Raises:
        BillingTemplateNotFoundError: the tenant has none with this id.
    """
    check_id("id", template_id)
    with transaction() as session:
        row = queries.locked_template(session, actor.tenant_id, template_id)
        if row is None:
            raise BillingTemplateNotFoundError
        if not command.active:
            # Without an error, or it would be on again as soon as Stripe sells its price.
            row.status, row.error = BillingTemplateStatus.INACTIVE, None
        elif row.status is BillingTemplateStatus.FAILED or (
            row.status is BillingTemplateStatus.INACTIVE and not (_is_made(row) and row.error is None)
        ):
            row.status, row.error, row.attempt = BillingTemplateStatus.PENDING, None, row.attempt + 1
            have_made(session, row, clock.now())
        elif row.status is BillingTemplateStatus.INACTIVE:
            row.status = BillingTemplateStatus.ACTIVE
        return _views(session, actor, [row])[0]


def get_billing_template(actor: Actor, template_id: str) -> BillingTemplate:
    """Raises BillingTemplateNotFoundError."""
    check_id("id", template_id)
    with transaction() as session:
        row = queries.template_by_id(session, actor.tenant_id, template_id)
        if row is None:
            raise BillingTemplateNotFoundError
        return _views(session, actor, [row])[0]


def list_billing_templates(actor: Actor, page: PageRequest, package_id: str | None) -> Page[BillingTemplate]:
    """All or one package's, oldest first.

    Raises:
        PackageNotFoundError: there is no package with `package_id`.
        InvalidInputError: the page starts after an unknown id, or `package_id` is no id.
    """
    if package_id is not None:
        check_id("packageId", package_id)
    with transaction() as session:
        package_key = None
        if package_id is not None:
            found = packages_by_id(session, actor.tenant_id, [package_id])
            if not found:
                raise PackageNotFoundError
            package_key = found[0].key
        after = key_after(page.starting_after, lambda id_: _key_of(session, actor, id_))
        rows, has_more = queries.templates_page(session, actor.tenant_id, package_key, after, page.limit)
        return Page(data=_views(session, actor, rows), has_more=has_more)


def have_made(session: Session, row: models.BillingTemplate, now: datetime) -> None:
    """Tell a worker, once this is committed."""
    row.sent_at = now
    session.flush()
    jobs.enqueue(session, jobs.MAKE_TEMPLATE, row.tenant_id, row.key)


def _new(
    session: Session,
    actor: Actor,
    command: CreateBillingTemplate | LinkPrice,
    status: BillingTemplateStatus,
    now: datetime,
) -> models.BillingTemplate:
    package = kept_packages(session, actor.tenant_id, [command.package_id]).get(command.package_id)
    if package is None:
        raise PackageNotFoundError
    row = models.BillingTemplate(
        tenant_id=actor.tenant_id,
        id=command.id,
        package_key=package.key,
        provider=_PROVIDER,
        status=status,
        price_id=command.price_id,
        amount_minor=command.amount,
        currency=command.currency,
        interval=command.interval,
        attempt=1,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def _metered_feature_key(session: Session, row: models.BillingTemplate, feature_id: str) -> int:
    """The package's row is ours, so what it gives stays as it is until this is committed."""
    held = contents_of(session, row.tenant_id, [row.package_key]).features[row.package_key]
    for terms, feature in held:
        if feature.id == feature_id and terms.overage_enabled and terms.usage_limit is not None:
            return feature.key
    raise InvalidInputError("meteredFeatureId", "must be a feature of the package with a limit and overageEnabled")


def _taken(template_id: str) -> str:
    return f"id: a billing template with the id {template_id!r} exists already"


def _is_made(row: models.BillingTemplate) -> bool:
    return row.price_id is not None and row.amount_minor is not None


def _key_of(session: Session, actor: Actor, template_id: str) -> int | None:
    row = queries.template_by_id(session, actor.tenant_id, template_id)
    return row.key if row else None


def _views(session: Session, actor: Actor, rows: Sequence[models.BillingTemplate]) -> list[BillingTemplate]:
    packages = packages_by_key(session, actor.tenant_id, {row.package_key for row in rows})
    ids = {package.key: package.id for package in packages}
    metered = {row.metered_feature_key for row in rows if row.metered_feature_key is not None}
    features = feature_ids(session, actor.tenant_id, metered) if metered else {}
    return [
        _view(row, ids[row.package_key], features[row.metered_feature_key] if row.metered_feature_key else None)
        for row in rows
    ]


def _view(row: models.BillingTemplate, package_id: str, metered_feature_id: str | None) -> BillingTemplate:
    display = None
    if row.amount_minor is not None and row.currency is not None:
        display = display_amount(row.amount_minor, row.currency)
    return BillingTemplate(
        id=row.id,
        package_id=package_id,
        metered_feature_id=metered_feature_id,
        provider=row.provider,
        status=row.status,
        error=row.error,
        price_id=row.price_id,
        amount=row.amount_minor,
        display_amount=display,
        currency=row.currency,
        interval=row.interval,
        created_at=clock.to_wire(row.created_at),
    )
