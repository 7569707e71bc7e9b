"""`/_double/…`: for tests in other processes, scripts, and the buttons of the world page. Forms come in, JSON goes out."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from app.gateways.stripe_double import forms
from app.gateways.stripe_double.customers import CARDS
from app.gateways.stripe_double.deliveries import WebhookFaults
from app.gateways.stripe_double.faults import FaultKind
from app.gateways.stripe_double.parameters import (
    ListOf,
    Parameters,
    choice,
    decimal,
    flag,
    number,
    parameters,
    text,
    url,
)
from app.gateways.stripe_double.problems import ProblemError
from app.gateways.stripe_double.world import World

Act = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Control:
    """`path` with `:id` where an id stands. What `act` returns is the answer; None: how it stands now."""

    method: str
    path: str
    parameters: Parameters
    act: Act


_NOTHING = parameters()
_CARD = choice(*CARDS)
_FAULT = parameters(
    {"kind": choice(*FaultKind)},
    match=text,
    times=number,
    seconds=decimal,
    rate=decimal,
)
_WEBHOOK_FAULTS = parameters(
    hold=flag,
    shuffle=flag,
    drop=number,
    double=number,
    drop_rate=decimal,
    double_rate=decimal,
    seed=number,
)


def _fail(world: World, kind: str, **how: Any) -> None:
    world.fail(FaultKind(kind), **how)


CONTROLS = (
    Control("GET", "/overview", _NOTHING, World.described),
    Control("GET", "/requests", _NOTHING, lambda world: [asdict(each) for each in world.requests()]),
    Control("GET", "/objects/:id", _NOTHING, lambda world, kind: world.objects(kind)),
    Control(
        "POST",
        "/clock",
        parameters({"advance_seconds": number}),
        lambda world, advance_seconds: world.advance(advance_seconds),
    ),
    Control("POST", "/sessions/:id/pay", parameters(email=text, card=_CARD), World.pay),
    Control("POST", "/sessions/:id/pay_later", parameters(email=text), World.pay_later),
    Control("POST", "/sessions/:id/decline", _NOTHING, World.decline),
    Control("POST", "/sessions/:id/settle", parameters(paid=flag), World.settle),
    Control("POST", "/sessions/:id/expire", _NOTHING, World.expire),
    Control("POST", "/customers/:id/card", parameters({"card": _CARD}), World.set_card),
    Control("POST", "/subscriptions/:id/renew", _NOTHING, World.renew),
    Control("POST", "/subscriptions/:id/fail_renewal", _NOTHING, World.fail_renewal),
    Control("POST", "/subscriptions/:id/end", parameters({"at_period_end": flag}), World.arrange_end),
    Control("POST", "/invoices/:id/pay", _NOTHING, World.pay_invoice),
    Control("POST", "/endpoints", parameters({"url": url, "secret": text}, types=ListOf(text)), World.send_webhooks_to),
    Control("POST", "/thin_endpoint", parameters({"url": url, "secret": text}), World.send_thin_events_to),
    Control("POST", "/endpoints/:id/roll", parameters(secret=text), World.roll_secret),
    Control("POST", "/endpoints/:id/end_roll", _NOTHING, World.end_roll),
    Control("POST", "/webhooks", _WEBHOOK_FAULTS, lambda world, **how: world.break_webhooks(WebhookFaults(**how))),
    Control("POST", "/webhooks/retry", _NOTHING, lambda world: world.deliveries.retry_now()),
    Control("POST", "/faults", _FAULT, _fail),
    Control("POST", "/down", parameters({"down": flag}), World.set_down),
    Control("POST", "/limit", parameters({"per_second": number}), World.limit),
    Control("POST", "/mend", _NOTHING, World.mend),
)


def control(world: World, method: str, path: str, form: str) -> Any:
    """What a control answers. Raises ProblemError."""
    for each in CONTROLS:
        found = re.fullmatch(each.path.replace(":id", "([^/]+)"), path)
        if found and each.method == method:
            answer = each.act(world, *found.groups(), **each.parameters(forms.parsed(form), ""))
            return world.described() if answer is None else answer
    raise ProblemError(f"There is no control {method} {path}.", status=404)
