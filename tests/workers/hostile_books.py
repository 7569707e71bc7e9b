"""What Stripe says and what we say, side by side: each line that comes out is a difference, with whose it is."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from app.domain.stripe_subscriptions import status_of
from app.gateways.stripe_double.state import Json
from app.gateways.stripe_double.world import World
from tests.workers.hostile_buyers import Buyer, Way
from tests.workers.stage import Stage

_COPIES = """
SELECT s.provider_subscription_id, u.id, p.id, s.status FROM subscriptions s
JOIN users u ON u.tenant_id = s.tenant_id AND u.key = s.user_key
JOIN packages p ON p.tenant_id = s.tenant_id AND p.key = s.package_key
"""
_LINKS = """
SELECT l.id::text, u.id, l.status, l.attempt, l.session_id, p.id FROM checkout_links l
JOIN users u ON u.tenant_id = l.tenant_id AND u.key = l.user_key
JOIN billing_templates t ON t.tenant_id = l.tenant_id AND t.key = l.template_key
JOIN packages p ON p.tenant_id = t.tenant_id AND p.key = t.package_key
"""
_STATES = {"open": {"OPEN"}, "expired": {"EXPIRED"}, "paid": {"PAID"}, "unpaid": {"UNPAID", "FAILED"}}


def differences(stage: Stage, world: World, crowd: Sequence[Buyer]) -> list[str]:
    """Between Stripe and us: of subscriptions, of what was paid once, and of links."""
    with psycopg.connect(stage.libpq_url) as connection:
        copies = connection.execute(_COPIES).fetchall()
        links = connection.execute(_LINKS).fetchall()
    ways = {buyer.id: buyer.way for buyer in crowd}
    sessions = {each["id"]: each for each in world.objects("checkout.session")}
    return [
        *_of_copies(_sold(world.objects("subscription"), sessions.values()), copies, ways),
        *(line for link in links for line in _of_link(link, sessions, ways)),
    ]


def _sold(subscriptions: Iterable[Json], sessions: Iterable[Json]) -> dict[tuple[str, str, str, str], None]:
    """(what, whose, package, status) of everything that Stripe sold."""
    bought = {each["subscription"] or each["id"]: each["metadata"] for each in sessions if each["status"] == "complete"}
    statuses = {each["id"]: status_of(each["status"]).value for each in subscriptions}
    statuses |= {
        each["id"]: "ACTIVE" for each in sessions if each["mode"] == "payment" and each["payment_status"] == "paid"
    }
    return {
        (id_, bought[id_]["meterline_user"], bought[id_]["meterline_package"], status): None
        for id_, status in statuses.items()
    }


def _of_copies(
    sold: dict[tuple[str, str, str, str], None], copies: Sequence[tuple[Any, ...]], ways: dict[str, Way]
) -> list[str]:
    ours = Counter(copies)
    lines = [
        f"{who} ({ways[who]}): {what} to {package} is {status} at Stripe, and not here"
        for what, who, package, status in sold
        if (what, who, package, status) not in ours
    ]
    lines += [f"{copy[1]} has {copy[2]} {copy[3]} ({copy[0]}), and not at Stripe" for copy in ours if copy not in sold]
    return lines + [f"{copy[1]} has {copy[0]} {count} times" for copy, count in ours.items() if count > 1]


def _of_link(link: tuple[Any, ...], sessions: dict[str, Json], ways: dict[str, Way]) -> list[str]:
    link_id, who, status, attempt, session_id, package = link
    whose = f"{who} ({ways[who]}): the link to {package}"
    page = sessions.get(session_id)
    if page is None:
        return [f"{whose} is {status} and has no page"]
    said = page["payment_status"] if page["status"] == "complete" else page["status"]
    lines = [] if status in _STATES[said] else [f"{whose} is {status}, and its page {said}"]
    made = [each["id"] for each in sessions.values() if each["client_reference_id"] == link_id]
    if not 1 <= len(made) <= attempt:
        lines.append(f"{whose} has {len(made)} pages after {attempt} attempts")
    return lines


def unlike(crowd: Sequence[Buyer]) -> list[str]:
    """Buyers who were given more than one link or page for one wish."""
    return [
        f"{buyer.id} asked for {package_id} and was given {sorted(set(given))}"
        for buyer in crowd
        for package_id, given in buyer.links.items()
        if len(set(given)) != 1
    ]
