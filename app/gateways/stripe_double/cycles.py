"""What happens by itself as time goes. Each thing happens at its own moment, in order, however far the clock is moved at once."""

from collections.abc import Callable, Iterator

from app.gateways.stripe_double import checkout, collecting, subscription_making
from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.customers import card_of
from app.gateways.stripe_double.state import Json

_DAY = 86_400
_FIRST_PAYMENT_SECONDS = 23 * 3_600
_WARNING = 3 * _DAY

Due = tuple[int, Callable[[Account, Json], None], Json]


def catch_up(account: Account) -> None:
    """Do everything that is due by now, oldest first. Looked for once a second, because every request asks."""
    now = account.now()
    if now == account.caught_up_at:
        return
    account.caught_up_at = now
    while due := min(_due_by(account, now), key=lambda each: each[0], default=None):
        moment, act, it = due
        with account.at(moment):
            act(account, it)


def advance(account: Account, seconds: int) -> None:
    """Move the clock on, and do everything that becomes due on the way."""
    catch_up(account)
    account.state.shift_seconds += seconds
    catch_up(account)


def next_renewal(it: Json) -> int:
    """When a subscription's first period ends."""
    return min(int(each["current_period_end"]) for each in it["items"]["data"])


def _due_by(account: Account, now: int) -> Iterator[Due]:
    for it in account.all("checkout.session"):
        if it["status"] == "open" and it["expires_at"] <= now:
            yield it["expires_at"], checkout.expire, it
    for it in account.all("subscription"):
        yield from (each for each in _due_of(account, it) if each[0] <= now)


def _due_of(account: Account, it: Json) -> Iterator[Due]:
    if it["status"] in ("canceled", "incomplete_expired"):
        return
    if it["status"] == "incomplete":
        yield from _first_payment(account, it)
        return
    if it["cancel_at"] is not None:
        yield it["cancel_at"], _end_as_arranged, it
    if it["status"] == "paused":
        return
    if it["status"] == "trialing" and it["id"] not in account.state.notes:
        yield max(it["trial_end"] - _WARNING, it["created"]), _warn, it
    yield next_renewal(it), _renew, it
    if it["status"] == "past_due" and (at := _latest_invoice(account, it)["next_payment_attempt"]) is not None:
        yield at, _try_again, it


def _first_payment(account: Account, it: Json) -> Iterator[Due]:
    # A bank's answer takes days, and until it comes the payment is under way.
    waits_for_bank = any(
        each["subscription"] == it["id"] and each["payment_status"] == "unpaid"
        for each in account.all("checkout.session")
    )
    if not waits_for_bank or _latest_invoice(account, it)["attempted"]:
        yield it["created"] + _FIRST_PAYMENT_SECONDS, collecting.give_up, it


def _end_as_arranged(account: Account, it: Json) -> None:
    collecting.end(account, it, "cancellation_requested")


def _warn(account: Account, it: Json) -> None:
    account.state.notes[it["id"]] = {"warned": True}
    account.emit("customer.subscription.trial_will_end", it)


def _renew(account: Account, it: Json) -> None:
    if it["status"] == "trialing" and card_of(account, it["customer"]) == "none":
        behaviour = it["trial_settings"]["end_behavior"]["missing_payment_method"]
        if behaviour == "cancel":
            collecting.end(account, it, "cancellation_requested")
            return
        if behaviour == "pause":
            account.change(it, "customer.subscription.paused", status="paused")
            return
    due = [each for each in it["items"]["data"] if each["current_period_end"] <= account.now()]
    before = {"items": it["items"], "latest_invoice": it["latest_invoice"]}
    ends_trial = it["status"] == "trialing"
    invoice = subscription_making.next_invoice(account, it, due)
    if ends_trial:
        it["status"] = "active"
        before["status"] = "trialing"
    account.emit("customer.subscription.updated", it, before)
    collecting.collect(account, it, invoice)


def _try_again(account: Account, it: Json) -> None:
    collecting.collect(account, it, _latest_invoice(account, it))


def _latest_invoice(account: Account, it: Json) -> Json:
    return account.find("invoice", it["latest_invoice"])
