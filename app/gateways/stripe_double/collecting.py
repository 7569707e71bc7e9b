"""Money for subscriptions: what a payment, or none, makes of one; and how one ends."""

from typing import Any

from app.gateways.stripe_double import invoices
from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.problems import ProblemError
from app.gateways.stripe_double.state import Json


def pay_invoice(account: Account, _asked: dict[str, Any], invoice_id: str) -> Json:
    """POST /v1/invoices/:id/pay"""
    it = account.find("invoice", invoice_id)
    if it["status"] != "open":
        raise ProblemError(f"Invoice is {it['status']}", code="invoice_not_editable")
    if not _collected(account, it):
        raise ProblemError("Your card was declined.", status=402, kind="card_error", code="card_declined")
    return it


def _collected(account: Account, invoice: Json) -> bool:
    owner = invoices.subscription_of(invoice)
    if owner is None:
        return invoices.attempt(account, invoice)
    collect(account, account.find("subscription", owner), invoice)
    return bool(invoice["status"] == "paid")


def collect(account: Account, it: Json, invoice: Json) -> None:
    """Charge an invoice of a subscription, unless it is paused."""
    if it["pause_collection"]:
        _set_aside(account, it["pause_collection"]["behavior"], invoice)
    elif invoices.attempt(account, invoice):
        paid(account, it)
    else:
        unpaid(account, it, invoice)


def paid(account: Account, it: Json) -> None:
    """The money came: whatever waited for it goes on."""
    if it["status"] in ("incomplete", "past_due", "unpaid"):
        account.change(it, "customer.subscription.updated", status="active")


def unpaid(account: Account, it: Json, invoice: Json) -> None:
    """The money did not come. A first payment is waited for; a later one is tried again, and after the last try it is over."""
    if it["status"] == "incomplete":
        return
    if invoice["next_payment_attempt"] is None:
        end(account, it, "payment_failed")
    else:
        account.change(it, "customer.subscription.updated", status="past_due")


def end(account: Account, it: Json, reason: str) -> None:
    """It is over, now and for good."""
    now = account.now()
    it.update(
        status="canceled",
        ended_at=now,
        canceled_at=it["canceled_at"] or now,
        cancellation_details={**it["cancellation_details"], "reason": it["cancellation_details"]["reason"] or reason},
    )
    account.emit("customer.subscription.deleted", it)


def give_up(account: Account, it: Json) -> None:
    """Nobody paid a first invoice in 23 hours."""
    account.change(it, "customer.subscription.updated", status="incomplete_expired", ended_at=account.now())
    invoice = account.find("invoice", it["latest_invoice"])
    if invoice["status"] == "open":
        invoices.void(account, invoice)


def _set_aside(account: Account, behavior: str, invoice: Json) -> None:
    if behavior == "void":
        invoices.void(account, invoice)
    else:
        invoice["status"] = {"keep_as_draft": "draft", "mark_uncollectible": "uncollectible"}[behavior]
