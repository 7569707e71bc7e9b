"""Stripe for `make dev`: the double, unless the environment has a key of the real one."""

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime

from app.dev.example_shop import stock
from app.dev.home import Home
from app.gateways.stripe_double import StripeDouble
from app.settings import Settings

_KEY = "sk_test_double"
_STATE, _PORT, _SECRET = "stripe.json", "stripe_port", "stripe_webhook_secret"
_TAKEN_AT = "/webhooks/stripe"
_LOOPBACK = "127.0.0.1"


def start_stand_in(parts: ExitStack, home: Home, settings: Settings) -> dict[str, str]:
    """Start the double, with what it knew when it last ran, unless there is a key already.

    Returns:
        The settings with which everything else finds it; none if it was not started.
    """
    if settings.stripe_api_key:
        return {}
    double = _at_its_port(home, _clock(settings))
    home.keep(_PORT, str(double.port))
    if not home.kept(_SECRET):
        home.keep(_SECRET, f"whsec_{secrets.token_urlsafe(24)}")
    # PORT may be another than last time, and nobody listens at the old one.
    to = f"http://{_LOOPBACK}:{settings.port}{_TAKEN_AT}"
    double.world.send_webhooks_to(to, home.kept(_SECRET), alone=True)
    double.world.send_thin_events_to(to, home.kept(_SECRET))
    stock(double)
    parts.enter_context(double)
    return stand_in_settings(home, settings)


def stand_in_settings(home: Home, settings: Settings) -> dict[str, str]:
    """The settings with which the double of this home is found, if it has ever run and is needed."""
    port = home.kept(_PORT)
    if settings.stripe_api_key or not port:
        return {}
    return {
        "STRIPE_API_KEY": _KEY,
        "STRIPE_API_BASE": f"http://{_LOOPBACK}:{port}",
        "STRIPE_WEBHOOK_SECRET": home.kept(_SECRET),
    }


def past_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """What keeps the SDK from asking a proxy of the environment for this machine's own ports."""
    # Of the two spellings the small one counts where both are set.
    known = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    listed = ",".join(part for part in (known, _LOOPBACK) if part)
    return {"no_proxy": listed, "NO_PROXY": listed}


def _clock(settings: Settings) -> Callable[[], float]:
    """The clock that everything else goes by, moved or not: events must not be of before they are asked for."""
    moved = settings.moved_clock
    return time.time if moved is None else lambda: moved.at(datetime.now(UTC)).timestamp()


def _at_its_port(home: Home, clock: Callable[[], float]) -> StripeDouble:
    """Where it was last time, so that the addresses of its pages stay good; elsewhere if somebody else is there now."""
    state = home.path / _STATE
    try:
        return StripeDouble(port=int(home.kept(_PORT) or 0), kept_in=state, clock=clock)
    except OSError:
        return StripeDouble(kept_in=state, clock=clock)
