"""The requests of the scenarios, as bytes, made before the load begins."""

import itertools
import json
import secrets
from collections.abc import Iterator, Sequence

from tests.benchmarks.shop import FEATURE

BATCH = 100

# The first mutation of the README.
_MUTATION = """mutation ($input: CreateUsageEventInput!) {
  recordUsage(input: $input) { recorded reason consumption { used budget overageEnabled } }
}"""

_KEY_LENGTH = 24


def rest(secret_key: str, users: Sequence[str]) -> Iterator[bytes]:
    return itertools.cycle([_post("/v1/usage", secret_key, {"userId": user, "featureId": FEATURE}) for user in users])


def rest_with_keys(secret_key: str, users: Sequence[str]) -> Iterator[bytes]:
    """A new idempotency key each time."""
    run = secrets.token_hex(4)
    placeholder = "*" * _KEY_LENGTH
    bodies = ({"userId": user, "featureId": FEATURE, "idempotencyKey": placeholder} for user in users)
    requests = [_post("/v1/usage", secret_key, body).partition(placeholder.encode()) for body in bodies]
    for number, (before, _, after) in enumerate(itertools.cycle(requests)):
        yield b"%s%s%016x%s" % (before, run.encode(), number, after)


def graphql(secret_key: str, users: Sequence[str]) -> Iterator[bytes]:
    bodies = ({"query": _MUTATION, "variables": {"input": {"userId": user, "featureId": FEATURE}}} for user in users)
    return itertools.cycle([_post("/graphql", secret_key, body) for body in bodies])


def batch(secret_key: str, users: Sequence[str]) -> Iterator[bytes]:
    """BATCH events in each request."""
    endless = itertools.cycle([{"userId": user, "featureId": FEATURE} for user in users])
    bodies = (
        {"events": list(itertools.islice(endless, BATCH)), "allOrNothing": False}
        for _ in range(0, len(users), min(BATCH, len(users)))
    )
    return itertools.cycle([_post("/v1/usage/batch", secret_key, body) for body in bodies])


def access(secret_key: str, users: Sequence[str]) -> Iterator[bytes]:
    head = f"HTTP/1.1\r\nHost: bench\r\nAuthorization: {secret_key}\r\n\r\n"
    return itertools.cycle([f"GET /v1/users/{user}/features/{FEATURE}/access {head}".encode() for user in users])


def _post(path: str, secret_key: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {secret_key}\r\nContent-Type: application/json\r\n"
    return head.encode() + f"Content-Length: {len(content)}\r\n\r\n".encode() + content
