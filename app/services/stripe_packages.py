"""Which package a copy is to, by the price that its item has at Stripe."""

from datetime import datetime

from sqlmodel import Session

from app import models
from app.domain.subscription_dates import has_changed
from app.queries.subscription_requests import change_to_come
from app.services.subscription_dates import change_package


def follow_price(
    session: Session, row: models.Subscription, price_id: str, package_key: int | None, now: datetime
) -> None:
    """Give a copy the package that its item's price is for: now, or when the running period ends if that was asked for.

    `package_key`: what the price is for; None: for nothing that we know, so what was there stays.
    """
    if has_changed(row, now):
        _begin_next(session, row)
    if price_id == row.next_price_id:
        return
    coming = None if price_id == row.provider_price_id else change_to_come(session, row, price_id)
    if coming is not None:
        # Paid at the next renewal, so that is when it begins: Stripe has the price already, and nothing is prorated.
        row.next_package_key, row.changes_at, row.next_price_id = coming.package_key, coming.changes_at, price_id
        return
    row.next_package_key = row.changes_at = row.next_price_id = None
    if package_key is not None and price_id != row.provider_price_id:
        change_package(session, row, package_key, now)
        row.provider_price_id = price_id


def _begin_next(session: Session, row: models.Subscription) -> None:
    """Write down what the dates have done already."""
    if row.next_package_key is not None and row.changes_at is not None:
        change_package(session, row, row.next_package_key, row.changes_at)
        row.provider_price_id = row.next_price_id or row.provider_price_id
        row.next_package_key = row.changes_at = row.next_price_id = None
