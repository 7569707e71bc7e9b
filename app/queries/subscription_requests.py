"""What is asked of a payment provider about subscriptions."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from app.domain.billing import BillingTemplateStatus
from app.domain.subscription_requests import Offer, RequestKind, RequestStatus
from app.models import BillingTemplate, Subscription, SubscriptionRequest


def request_by_id(session: Session, tenant_id: int, request_id: UUID) -> SubscriptionRequest | None:
    return session.exec(
        select(SubscriptionRequest).where(
            SubscriptionRequest.tenant_id == tenant_id, SubscriptionRequest.id == request_id
        )
    ).one_or_none()


def locked_request(session: Session, tenant_id: int, request_id: UUID) -> SubscriptionRequest | None:
    """As it is once its lock is ours."""
    return session.exec(
        select(SubscriptionRequest)
        .where(SubscriptionRequest.tenant_id == tenant_id, SubscriptionRequest.id == request_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def locked_pending(
    session: Session, tenant_id: int, subscription_id: int, kind: RequestKind
) -> SubscriptionRequest | None:
    """The one that is PENDING, locked. Lock the user first: then none can come beside it."""
    return session.exec(
        select(SubscriptionRequest)
        .where(
            SubscriptionRequest.tenant_id == tenant_id,
            SubscriptionRequest.subscription_id == subscription_id,
            SubscriptionRequest.kind == kind,
            SubscriptionRequest.status == RequestStatus.PENDING,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def change_to_come(session: Session, row: Subscription, price_id: str) -> SubscriptionRequest | None:
    """The change at the period's end for which a worker is about to give the subscription this price, or has done so."""
    return session.exec(
        select(SubscriptionRequest).where(
            SubscriptionRequest.tenant_id == row.tenant_id,
            SubscriptionRequest.subscription_id == row.id,
            SubscriptionRequest.status == RequestStatus.PENDING,
            col(SubscriptionRequest.at_period_end),
            SubscriptionRequest.price_id == price_id,
            col(SubscriptionRequest.changes_at).is_not(None),
        )
    ).one_or_none()


def is_change_pending(session: Session, tenant_id: int, subscription_ids: Collection[int]) -> bool:
    """Whether one of them is to be changed, and it is not known that it was."""
    pending = select(SubscriptionRequest.id).where(
        SubscriptionRequest.tenant_id == tenant_id,
        col(SubscriptionRequest.subscription_id).in_(subscription_ids),
        SubscriptionRequest.kind == RequestKind.CHANGE,
        SubscriptionRequest.status == RequestStatus.PENDING,
    )
    return session.exec(pending.limit(1)).first() is not None


def last_requests(
    session: Session, tenant_id: int, subscription_ids: Collection[int]
) -> dict[int, SubscriptionRequest]:
    """What was asked for last, by subscription."""
    found = session.exec(
        select(SubscriptionRequest)
        .where(
            SubscriptionRequest.tenant_id == tenant_id, col(SubscriptionRequest.subscription_id).in_(subscription_ids)
        )
        .order_by(col(SubscriptionRequest.asked_at))
    )
    # There are few of one subscription, and a later one takes the place of an earlier one.
    return {request.subscription_id: request for request in found}


def recurring_offers(session: Session, tenant_id: int, package_key: int, provider: str) -> list[Offer]:
    """Prices of the package that are on sale and paid again and again, oldest first."""
    found = session.exec(
        select(BillingTemplate)
        .where(
            BillingTemplate.tenant_id == tenant_id,
            BillingTemplate.package_key == package_key,
            BillingTemplate.provider == provider,
            BillingTemplate.status == BillingTemplateStatus.ACTIVE,
            # What a unit beyond the limit costs is no price of the package.
            col(BillingTemplate.metered_feature_key).is_(None),
        )
        .order_by(col(BillingTemplate.key))
    )
    return [
        Offer(template.id, template.price_id, template.currency, template.interval)
        for template in found
        if template.price_id and template.currency and template.interval
    ]


def locked_unanswered(
    session: Session, tenant_id: int, sent_before: datetime, limit: int, but_not: Sequence[str]
) -> Sequence[SubscriptionRequest]:
    """PENDING requests that no worker was told of since, in key order and without those that others hold."""
    return session.exec(
        select(SubscriptionRequest)
        .where(
            SubscriptionRequest.tenant_id == tenant_id,
            SubscriptionRequest.status == RequestStatus.PENDING,
            col(SubscriptionRequest.sent_at) <= sent_before,
            col(SubscriptionRequest.id).not_in([UUID(row_id) for row_id in but_not]),
        )
        .order_by(col(SubscriptionRequest.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
