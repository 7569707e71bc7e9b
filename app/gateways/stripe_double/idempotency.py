"""Idempotency keys: the first answer again, for a day.

What was refused before anything was done is not kept: a call that was put right may use its key again. Faults are kept.

Source: docs.stripe.com/api/idempotent_requests
"""

import hashlib

from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.problems import ProblemError
from app.gateways.stripe_double.state import Json

_KEPT_SECONDS = 86_400
_LONGEST = 255
_DONE, _FAULTS, _CARD_ERROR = 400, 500, 402


def begin(account: Account, key: str, *, method: str, path: str, body: bytes) -> Json | None:
    """The kept answer; or None, and the key is taken by the request that now begins. Raises ProblemError."""
    if len(key) > _LONGEST:
        raise ProblemError("Idempotency keys can be up to 255 characters long.", kind="idempotency_error")
    print_ = hashlib.sha256(b"%s %s\n%s" % (method.encode(), path.encode(), body)).hexdigest()
    now = account.now()
    kept = account.state.keys.get(key)
    if kept is None or kept["at"] <= now - _KEPT_SECONDS:
        account.state.keys[key] = {"print": print_, "at": now, "answer": None}
        return None
    if kept["print"] != print_:
        raise ProblemError(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request.",
            kind="idempotency_error",
        )
    if kept["answer"] is None:
        raise in_use()
    answer: Json = kept["answer"]
    return answer


def finish(account: Account, key: str, *, status: int, body: str, request_id: str) -> None:
    """Keep an answer, or let go of the key if nothing was done."""
    if status < _DONE or status >= _FAULTS or status == _CARD_ERROR:
        account.state.keys[key]["answer"] = {"status": status, "body": body, "request_id": request_id}
    else:
        let_go(account, key)


def let_go(account: Account, key: str) -> None:
    """The key is free again."""
    account.state.keys.pop(key, None)


def in_use() -> ProblemError:
    """Another request with the key is under way."""
    return ProblemError(
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
        "twice, and the other request is still going through): please try again later.",
        status=409,
        kind="idempotency_error",
        code="idempotency_key_in_use",
    )
