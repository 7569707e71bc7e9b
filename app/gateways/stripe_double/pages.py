"""The pages for people: checkout, the customer portal, and the world page. They load nothing from anywhere."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from app.domain.money import display_amount
from app.gateways.stripe_double import forms
from app.gateways.stripe_double.api import Answer, Request
from app.gateways.stripe_double.problems import ProblemError
from app.gateways.stripe_double.state import Json
from app.gateways.stripe_double.world import World

_FILES = Path(__file__).with_name("files")
_HTML = {"Content-Type": "text/html; charset=utf-8"}
_CHECKOUT, _PORTAL = "/c/pay/", "/p/session/"
_PAID = {"complete": "You have paid this already.", "expired": "This page has expired."}
_SHOWN = 50


def answer(world: World, request: Request) -> Answer:
    """A page, or what a button on it does. Raises ProblemError."""
    if request.path == "/":
        return _page("The world", _world(world))
    if request.path.startswith(_CHECKOUT):
        return _checkout(world, request, request.path.removeprefix(_CHECKOUT))
    if request.path.startswith(_PORTAL):
        return _portal(world, request.path.removeprefix(_PORTAL))
    raise ProblemError(f"There is no page {request.path}.", status=404)


def see_other(url: str) -> Answer:
    """Go there next."""
    return Answer(303, b"", {"Location": url})


def _checkout(world: World, request: Request, session_id: str) -> Answer:
    with world.account.lock:
        session = world.account.find("checkout.session", session_id)
    if request.method == "POST":
        return _pressed(world, session, forms.parsed(request.body.decode()))
    return _checkout_page(world, session)


def _pressed(world: World, session: Json, form: Mapping[str, Any]) -> Answer:
    """A button of the checkout page. It is a page of ours that somebody pays on, so nothing here asks for a card."""
    session_id, email = session["id"], form.get("email") or None
    back = session["cancel_url"] or "/"
    acts: dict[Any, Callable[[], Answer]] = {
        "cancel": lambda: see_other(back),
        "decline": lambda: _checkout_page(world, world.decline(session_id), "Your card was declined."),
        "pay": lambda: _paid(world.pay(session_id, email=email)),
        "pay_with_card_that_fails": lambda: _paid(world.pay(session_id, email=email, card="declines")),
        "pay_later": lambda: _paid(world.pay_later(session_id, email=email)),
    }
    if form.get("press") not in acts:
        raise ProblemError("There is no such button.")
    return acts[form["press"]]()


def _paid(session: Json) -> Answer:
    return see_other(session["success_url"].replace("{CHECKOUT_SESSION_ID}", quote(session["id"])))


def _checkout_page(world: World, session: Json, said: str = "") -> Answer:
    with world.account.lock:
        lines = world.account.state.lines[session["id"]]
    rows = "".join(
        f"<tr><td>{escape(line['description'])}</td><td class=number>{escape(_price(line['price']))}</td></tr>"
        for line in lines
    )
    known = (session["customer_details"] or {}).get("email") or ""
    filled = _file("checkout.html").substitute(
        rows=rows,
        total=escape(_amount(session["amount_total"], session["currency"])),
        email=escape(known),
        fixed="readonly" if known else "",
        said=f"<p class=said>{escape(said)}</p>" if said else "",
        form="" if session["status"] == "open" else "hidden",
        closed=escape(_PAID.get(session["status"], "")),
        expires=_time(session["expires_at"]),
    )
    return _page("Checkout", filled)


def _portal(world: World, session_id: str) -> Answer:
    with world.account.lock:
        session = world.account.find("billing_portal.session", session_id)
        customer = world.account.find("customer", session["customer"])
    theirs = [each for each in world.objects("subscription") if each["customer"] == customer["id"]]
    filled = _file("portal.html").substitute(
        customer=escape(customer.get("email") or customer["id"]),
        customer_id=escape(customer["id"]),
        rows="".join(map(_portal_row, theirs)) or "<tr><td>none</td></tr>",
        back=escape(session["return_url"] or "/"),
    )
    return _page("Your subscriptions", filled)


def _portal_row(it: Json) -> str:
    ends = it["cancel_at_period_end"]
    button = _button(
        f"subscriptions/{it['id']}/end", "Keep it" if ends else "Cancel", at_period_end="false" if ends else "true"
    )
    cells = [escape(it["status"]), escape(_items(it)), f"{'ends' if ends else 'renews'} {_period_end(it)}"]
    return _row([*cells, button if it["status"] in ("active", "trialing", "past_due") else ""])


def _world(world: World) -> str:
    stands = world.overview()
    return _file("world.html").substitute(
        now=stands.now,
        counts=escape(", ".join(f"{count} {kind}" for kind, count in stands.objects.items()) or "nothing yet"),
        waiting=stands.webhooks_waiting,
        delivered=stands.webhooks.delivered,
        failed=stands.webhooks.failed,
        dropped=stands.webhooks.dropped,
        faults="held" if stands.webhook_faults.hold else "sent",
        down="away" if world.api.faults.down else "there",
        sessions=_rows(world, "checkout.session", _session_row),
        subscriptions=_rows(world, "subscription", _subscription_row),
        invoices=_rows(world, "invoice", _invoice_row),
        customers=_rows(world, "customer", lambda it: _customer_row(world, it)),
        prices=_rows(world, "price", _price_row),
        endpoints=_rows(world, "webhook_endpoint", lambda it: [it["id"], it["url"], ", ".join(it["enabled_events"])]),
        events=_rows(
            world, "event", lambda it: [it["id"], it["type"], _time(it["created"]), it["data"]["object"].get("id", "")]
        ),
    )


class _Raw(str):
    """HTML already."""

    __slots__ = ()


def _rows(world: World, kind: str, cells: Callable[[Json], list[str]]) -> str:
    newest_first = world.objects(kind)[::-1][:_SHOWN]
    return "".join(
        _row([each if isinstance(each, _Raw) else escape(str(each)) for each in cells(it)]) for it in newest_first
    )


def _row(cells: list[str]) -> str:
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _session_row(it: Json) -> list[str]:
    buttons = ""
    if it["status"] == "open":
        buttons = f'<a href="{escape(it["url"])}">open</a> ' + _button(f"sessions/{it['id']}/expire", "Expire")
    elif it["status"] == "complete" and it["payment_status"] == "unpaid":
        buttons = _button(f"sessions/{it['id']}/settle", "The bank pays", paid="true")
        buttons += _button(f"sessions/{it['id']}/settle", "The bank refuses", paid="false")
    amount = _amount(it["amount_total"], it["currency"])
    return [it["id"][:20] + "…", it["mode"], it["status"], it["payment_status"], amount, _Raw(buttons)]


def _subscription_row(it: Json) -> list[str]:
    buttons = ""
    if it["status"] in ("active", "trialing", "past_due"):
        buttons = _button(f"subscriptions/{it['id']}/renew", "Go to its renewal")
        buttons += _button(f"subscriptions/{it['id']}/fail_renewal", "… and let it fail")
    return [it["id"], it["customer"], it["status"], _items(it), _period_end(it), _Raw(buttons)]


def _invoice_row(it: Json) -> list[str]:
    button = _button(f"invoices/{it['id']}/pay", "Pay") if it["status"] == "open" else ""
    amount = _amount(it["amount_due"], it["currency"])
    return [it["number"], it["customer"], it["status"], amount, str(it["attempt_count"]), _Raw(button)]


def _customer_row(world: World, it: Json) -> list[str]:
    card = world.account.state.cards.get(it["id"], "good")
    other = "declines" if card == "good" else "good"
    button = _button(f"customers/{it['id']}/card", "Card declines" if other == "declines" else "Good card", card=other)
    return [it["id"], it.get("email") or "", "deleted" if it.get("deleted") else f"card: {card}", _Raw(button)]


def _price_row(it: Json) -> list[str]:
    return [it["id"], it["product"], _price(it), "active" if it["active"] else "inactive"]


def _button(path: str, label: str, **form: str) -> str:
    hidden = "".join(f'<input type=hidden name="{name}" value="{value}">' for name, value in form.items())
    return f'<form class=small method=post action="/_double/{escape(path)}">{hidden}<button>{escape(label)}</button></form>'


def _items(it: Json) -> str:
    return ", ".join(_price(each["price"]) for each in it["items"]["data"])


def _price(it: Json) -> str:
    amount, recurring = _amount(it["unit_amount"], it["currency"]), it["recurring"]
    if recurring is None:
        return amount
    count = recurring["interval_count"]
    per = recurring["interval"] if count == 1 else f"{count} {recurring['interval']}s"
    return f"{amount} {'a unit, by the ' if recurring['meter'] else 'a '}{per}"


def _amount(minor: int, currency: str) -> str:
    return f"{display_amount(minor, currency)} {currency.upper()}"


def _period_end(it: Json) -> str:
    return _time(min(each["current_period_end"] for each in it["items"]["data"]))


def _time(stamp: int) -> str:
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%d %H:%M")


def _page(title: str, body: str) -> Answer:
    style = (_FILES / "style.css").read_text()
    page = _file("page.html").substitute(title=escape(title), style=style, body=body)
    return Answer(200, page.encode(), _HTML)


@cache
def _file(name: str) -> Template:
    return Template((_FILES / name).read_text())
