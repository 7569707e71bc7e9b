"""Billing templates."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from app.domain.billing import BillingTemplateStatus
from app.domain.overage_prices import newest_prices
from app.models import BillingTemplate
from app.queries.overage_prices import overage_prices
from app.queries.pages import page_after

_MADE = (BillingTemplateStatus.ACTIVE, BillingTemplateStatus.INACTIVE)


def template_by_id(session: Session, tenant_id: int, template_id: str) -> BillingTemplate | None:
    return session.exec(
        select(BillingTemplate).where(BillingTemplate.tenant_id == tenant_id, BillingTemplate.id == template_id)
    ).one_or_none()


def template_by_key(session: Session, tenant_id: int, template_key: int) -> BillingTemplate | None:
    return session.exec(
        select(BillingTemplate).where(BillingTemplate.tenant_id == tenant_id, BillingTemplate.key == template_key)
    ).one_or_none()


def templates_by_key(session: Session, tenant_id: int, template_keys: Collection[int]) -> dict[int, BillingTemplate]:
    found = session.exec(
        select(BillingTemplate).where(
            BillingTemplate.tenant_id == tenant_id, col(BillingTemplate.key).in_(template_keys)
        )
    )
    return {template.key: template for template in found}


def locked_template(session: Session, tenant_id: int, template_id: str) -> BillingTemplate | None:
    """As it is once its lock is ours. Links to it go on being made."""
    return session.exec(
        select(BillingTemplate)
        .where(BillingTemplate.tenant_id == tenant_id, BillingTemplate.id == template_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()


def templates_page(
    session: Session, tenant_id: int, package_key: int | None, after: int | None, limit: int
) -> tuple[list[BillingTemplate], bool]:
    """Of one package, or of all."""
    statement = select(BillingTemplate).where(BillingTemplate.tenant_id == tenant_id)
    if package_key is not None:
        statement = statement.where(BillingTemplate.package_key == package_key)
    return page_after(session, statement, col(BillingTemplate.key), after, limit)


def metered_price_ids(session: Session, template: BillingTemplate) -> list[str]:
    """What overage costs who buys by this template. Nothing, if that is paid once."""
    prices = overage_prices(session, template.tenant_id, [template.package_key])
    terms = {"currency": template.currency or "", "interval": template.interval or ""}
    return [price.price_id for price in newest_prices(prices, **terms)]


def product_made_for(session: Session, tenant_id: int, package_key: int) -> str | None:
    """The provider's product that we made for a package, if we did: its further prices belong to it too."""
    return session.exec(
        select(BillingTemplate.product_id)
        .where(
            BillingTemplate.tenant_id == tenant_id,
            BillingTemplate.package_key == package_key,
            col(BillingTemplate.making_id).is_not(None),
            col(BillingTemplate.product_id).is_not(None),
        )
        .order_by(col(BillingTemplate.key))
        .limit(1)
    ).first()


def locked_unmade(
    session: Session, tenant_id: int, sent_before: datetime, limit: int, but_not: Sequence[str]
) -> Sequence[BillingTemplate]:
    """PENDING templates that no worker was told of since, in key order and without those that others hold."""
    return session.exec(
        select(BillingTemplate)
        .where(
            BillingTemplate.tenant_id == tenant_id,
            BillingTemplate.status == BillingTemplateStatus.PENDING,
            col(BillingTemplate.sent_at) <= sent_before,
            col(BillingTemplate.id).not_in(but_not),
        )
        .order_by(col(BillingTemplate.id))
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    ).all()


def priced_templates(
    session: Session, tenant_ids: Collection[int], after: int, limit: int
) -> Sequence[tuple[int, str]]:
    """(key, price) of templates that were made and did not fail, by key."""
    found = session.exec(
        select(BillingTemplate.key, BillingTemplate.price_id)
        .where(
            col(BillingTemplate.tenant_id).in_(tenant_ids),
            col(BillingTemplate.status).in_(_MADE),
            col(BillingTemplate.price_id).is_not(None),
            col(BillingTemplate.key) > after,
        )
        .order_by(col(BillingTemplate.key))
        .limit(limit)
    )
    return [(key, price_id) for key, price_id in found if price_id]


def prices_of_product(session: Session, tenant_ids: Collection[int], product_id: str) -> Sequence[str]:
    """Of such templates, those of a product's prices."""
    found = session.exec(
        select(BillingTemplate.price_id)
        .where(
            col(BillingTemplate.tenant_id).in_(tenant_ids),
            col(BillingTemplate.status).in_(_MADE),
            BillingTemplate.product_id == product_id,
        )
        .distinct()
        .order_by(col(BillingTemplate.price_id))
    )
    return [price_id for price_id in found if price_id]


def locked_templates_of_price(
    session: Session, tenant_ids: Collection[int], price_id: str
) -> Sequence[BillingTemplate]:
    """Such templates with a price, in key order. Links to them go on being made."""
    return session.exec(
        select(BillingTemplate)
        .where(
            col(BillingTemplate.tenant_id).in_(tenant_ids),
            BillingTemplate.price_id == price_id,
            col(BillingTemplate.status).in_(_MADE),
        )
        .order_by(col(BillingTemplate.tenant_id), col(BillingTemplate.id))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
