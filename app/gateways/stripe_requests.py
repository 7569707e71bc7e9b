"""What we want of Stripe, in its words: the parameters of calls, out of the shapes of `billing`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.gateways import billing_shapes as shapes


def given(content: Mapping[str, Any]) -> dict[str, Any]:
    """What was said; None says nothing."""
    return {name: value for name, value in content.items() if value is not None}


def since(moment: datetime | None, until: datetime | None = None) -> dict[str, int] | None:
    """A filter for what was made at a moment or later, and before another."""
    bounds = given({"gte": moment, "lt": until})
    return {name: int(bound.timestamp()) for name, bound in bounds.items()} or None


def recurring(new: shapes.NewPrice) -> dict[str, Any] | None:
    """How often a new price is paid; None: once."""
    if new.interval is None:
        return None
    terms: dict[str, Any] = {"interval": new.interval.value, "interval_count": new.interval_count}
    return {**terms, "usage_type": "metered", "meter": new.meter_id} if new.meter_id else terms


def checkout(new: shapes.NewCheckout) -> dict[str, Any]:
    """The parameters of a new checkout session."""
    # Metadata of a session is not copied to what comes out of it, and sweeps find subscriptions by it.
    metadata = dict(new.metadata)
    outcome: dict[str, Any] = (
        {"subscription_data": given({"metadata": metadata, "trial_period_days": new.trial_days})}
        if new.recurring
        else {"payment_intent_data": {"metadata": metadata}}
    )
    if not new.recurring and not new.customer_id:
        # Else who buys once has no customer, and nothing of theirs could be found again.
        outcome["customer_creation"] = "always"
    metered = [{"price": each} for each in new.metered_price_ids]
    return {
        "mode": "subscription" if new.recurring else "payment",
        "line_items": [{"price": new.price_id, "quantity": 1}, *metered],
        "success_url": new.success_url,
        "cancel_url": new.cancel_url,
        "client_reference_id": new.client_reference_id,
        "customer": new.customer_id,
        "customer_email": new.customer_email,
        "expires_at": None if new.expires_at is None else int(new.expires_at.timestamp()),
        "metadata": metadata,
        **outcome,
    }


def subscription_change(change: shapes.SubscriptionChange) -> dict[str, Any]:
    """The parameters of a change to a subscription."""
    items: list[dict[str, Any]] = [{"id": item_id, "deleted": True} for item_id in change.removed_item_ids]
    if change.item_id:
        items.append({"id": change.item_id, "price": change.price_id})
    items += [{"price": each} for each in change.metered_price_ids]
    moves_money = items or change.cancel_at
    return {
        "cancel_at_period_end": change.cancel_at_period_end,
        "cancel_at": None if change.cancel_at is None else int(change.cancel_at.timestamp()),
        "items": items or None,
        "proration_behavior": None if not moves_money else ("create_prorations" if change.prorate else "none"),
        "metadata": None if change.metadata is None else dict(change.metadata),
    }
