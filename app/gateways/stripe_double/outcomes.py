"""What becomes of a checkout session when somebody is on its page.

Since 2025-03-31 the subscription is made when the session is complete, and not before. The order of the events is the double's
own: Stripe promises none.
"""

from app.gateways.stripe_double import collecting, invoices, subscription_making
from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.checkout import details
from app.gateways.stripe_double.customers import create_customer, living_customer
from app.gateways.stripe_double.problems import ProblemError
from app.gateways.stripe_double.state import Json

_USUAL_EMAIL = "buyer@example.com"


def pay(account: Account, session_id: str, *, email: str | None = None, card: str = "good") -> Json:
    """The buyer pays, and the money is there at once. `card` is what later payments will do."""
    it = _open(account, session_id)
    _complete(account, it, email, card)
    free = it["amount_total"] == 0
    it["payment_status"] = "no_payment_required" if free else "paid"
    if it["mode"] == "subscription":
        subscription = _subscribe(account, it, "trialing" if _trial_end(account, it) else "active")
        invoices.settle(account, account.find("invoice", subscription["latest_invoice"]))
    account.emit("checkout.session.completed", it)
    return it


def pay_later(account: Account, session_id: str, *, email: str | None = None) -> Json:
    """The buyer takes a payment method that is settled in some days: complete, and not paid. See `settle`."""
    it = _open(account, session_id)
    _complete(account, it, email, "good")
    if it["mode"] == "subscription":
        _subscribe(account, it, "incomplete")
    account.emit("checkout.session.completed", it)
    return it


def decline(account: Account, session_id: str) -> Json:
    """The buyer's card is refused: nothing is made, and the page goes on waiting."""
    return _open(account, session_id)


def settle(account: Account, session_id: str, *, paid: bool) -> Json:
    """The bank says what became of a payment that took some days."""
    it = account.find("checkout.session", session_id)
    if it["status"] != "complete" or it["payment_status"] != "unpaid":
        raise ProblemError("The session does not wait for a bank.")
    subscription = account.find("subscription", it["subscription"]) if it["subscription"] else None
    if paid:
        it["payment_status"] = "paid"
    if subscription is not None:
        invoice = account.find("invoice", subscription["latest_invoice"])
        if paid:
            invoices.settle(account, invoice)
            collecting.paid(account, subscription)
        else:
            invoices.fail(account, invoice)
            collecting.unpaid(account, subscription, invoice)
    account.emit(f"checkout.session.async_payment_{'succeeded' if paid else 'failed'}", it)
    return it


def _open(account: Account, session_id: str) -> Json:
    it = account.find("checkout.session", session_id)
    if it["status"] != "open":
        raise ProblemError(f"The session is {it['status']}.")
    return it


def _complete(account: Account, it: Json, email: str | None, card: str) -> None:
    email = email or (it["customer_details"] or {}).get("email") or _USUAL_EMAIL
    if it["customer"] is None and it["customer_creation"] == "always":
        it["customer"] = create_customer(account, {"email": email})["id"]
    if it["customer"] is not None:
        account.state.cards[it["customer"]] = card
    it.update(status="complete", url=None, customer_details=details(email, None))
    if it["mode"] == "payment" and it["amount_total"]:
        it["payment_intent"] = account.new_id("pi")


def _subscribe(account: Account, it: Json, status: str) -> Json:
    asked = account.state.notes[it["id"]]
    prices = [
        (each["price"], each.get("quantity")) for each in account.state.lines[it["id"]] if each["price"]["recurring"]
    ]
    wish = subscription_making.Wish(
        living_customer(account, it["customer"]),
        prices,
        asked.get("metadata", {}),
        _trial_end(account, it),
        subscription_making.missing_payment_method(asked),
        asked.get("description"),
    )
    subscription = subscription_making.start(account, wish, status)
    invoice = subscription_making.first_invoice(account, subscription)
    it.update(subscription=subscription["id"], invoice=invoice["id"])
    return subscription


def _trial_end(account: Account, it: Json) -> int | None:
    return subscription_making.trial_end(account, account.state.notes[it["id"]])
