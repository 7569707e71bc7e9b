"""A double of Stripe: an HTTP server with state, which the official SDK talks to as if it were Stripe.

For `make dev` and the tests; production code never imports it. It does what the API does (states, errors, idempotency, signed
webhooks, lists in pages) and leaves out what we do not use. A parameter that Stripe has and the double has not is refused, never
ignored: a call that works here must mean the same there.

    server, api  HTTP: keys, request ids, idempotency, and the faults that tests ask for
    routes       which path is which function of a topic: catalogue, customers, checkout, subscriptions, meters, …
    account      the state behind all topics: objects, ids, what time it is, and telling the webhook endpoints
    cycles       what happens by itself as time goes: renewals, trials, failed payments, sessions that expire
    deliveries   webhooks on their way
    world        the hands that move what no API moves: buyers, banks and time; `control` lets others have them over HTTP, under
                 `/_double/`, and `pages` in a browser

[Why](../../../docs/decisions/0014-stripe-double.md).
"""

from app.gateways.stripe_double.server import StripeDouble

__all__ = ["StripeDouble"]
