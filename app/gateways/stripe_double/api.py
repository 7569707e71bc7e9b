"""A request to the API, from its key to its answer, and all that may go wrong on the way."""

import base64
import binascii
import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.gateways.stripe_double import cycles, forms, idempotency, routes
from app.gateways.stripe_double.account import Account, Asked
from app.gateways.stripe_double.faults import Fault, FaultKind, Faults
from app.gateways.stripe_double.problems import ProblemError
from app.gateways.stripe_double.state import Json

_LOG_LENGTH = 1_000
_JSON = {"Content-Type": "application/json"}
_HTML = {"Content-Type": "text/html"}
_LOST = (FaultKind.LOST_REQUEST, FaultKind.LOST_ANSWER)


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` by their names in small letters."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Logged:
    """What was asked, for tests that count. `status` None: the connection was dropped."""

    method: str
    path: str
    key: str | None
    status: int | None
    replayed: bool


@dataclass(slots=True)
class Api:
    """The API of one account."""

    account: Account
    faults: Faults = field(default_factory=Faults)
    log: deque[Logged] = field(default_factory=lambda: deque(maxlen=_LOG_LENGTH))

    def answer(self, request: Request) -> Answer | None:
        """What goes back; None: the connection ends without a word."""
        request_id = self.account.new_id("req")
        answer = self._answer(request, request_id)
        replayed = answer is not None and "Idempotent-Replayed" in answer.headers
        key = request.headers.get("idempotency-key")
        self.log.append(Logged(request.method, request.path, key, answer.status if answer else None, replayed))
        return answer

    def _answer(self, request: Request, request_id: str) -> Answer | None:
        if self.faults.down:
            return None
        fault = self.faults.fallen_on(request.method, request.path)
        if fault and fault.kind is FaultKind.SLOW:
            time.sleep(fault.seconds)
        if fault and fault.kind is FaultKind.LOST_REQUEST:
            return None
        if fault and fault.kind in _IN_FRONT:
            return _IN_FRONT[fault.kind]
        try:
            _check_key(request)
            self._check_limits(fault)
            answer = self._kept_or_done(request, request_id, fault)
        except ProblemError as problem:
            answer = _refusal(problem, request_id)
        return None if fault and fault.kind is FaultKind.LOST_ANSWER else answer

    def _check_limits(self, fault: Fault | None) -> None:
        if self.faults.over_limit() or (fault and fault.kind is FaultKind.RATE_LIMIT):
            wait = {"Retry-After": str(int(fault.seconds))} if fault and fault.seconds else {}
            raise ProblemError(
                "Request rate limit exceeded.",
                status=429,
                code="rate_limit",
                headers={"Stripe-Rate-Limited-Reason": "global-rate", **wait},
            )
        if fault and fault.kind is FaultKind.CONFLICT:
            raise idempotency.in_use()
        if fault and fault.kind is FaultKind.ERROR:
            raise _fault(stored=False)

    def _kept_or_done(self, request: Request, request_id: str, fault: Fault | None) -> Answer:
        key = request.headers.get("idempotency-key", "") if request.method == "POST" else ""
        if not key:
            return self._done(request, request_id, fault, key)
        with self.account.lock:
            kept = idempotency.begin(self.account, key, method=request.method, path=request.path, body=request.body)
        if kept is not None:
            return _replayed(kept, request_id, key)
        answer = None
        try:
            answer = self._done(request, request_id, fault, key)
        finally:
            self._keep(key, answer, request_id)
        return answer

    def _keep(self, key: str, answer: Answer | None, request_id: str) -> None:
        with self.account.lock:
            if answer is None:
                idempotency.let_go(self.account, key)
            else:
                body = answer.body.decode()
                idempotency.finish(self.account, key, status=answer.status, body=body, request_id=request_id)

    def _done(self, request: Request, request_id: str, fault: Fault | None, key: str) -> Answer:
        if fault and fault.kind is FaultKind.SLOW_INSIDE:
            time.sleep(fault.seconds)
        with self.account.lock:
            cycles.catch_up(self.account)
            self.account.asked = Asked(request_id, key or None)
            try:
                if fault and fault.kind is FaultKind.STORED_ERROR:
                    raise _fault(stored=bool(key))
                given = forms.parsed(request.body.decode() if request.method == "POST" else request.query)
                found = routes.call(self.account, request.method, request.path, given)
                if fault and fault.kind is FaultKind.STORED_ERROR_AFTER:
                    raise _fault(stored=bool(key))
                body = json.dumps(found, indent=2).encode()
            except ProblemError as problem:
                return _refusal(problem, request_id)
            finally:
                self.account.asked = Asked()
        return Answer(200, body, {**_JSON, **_names(request_id, key)})


_IN_FRONT = {
    FaultKind.BAD_GATEWAY: Answer(502, b"<html><h1>502 Bad Gateway</h1></html>", _HTML),
    FaultKind.NOT_JSON: Answer(200, b"<html>Please sign in to the hotel's network</html>", _HTML),
}


def _check_key(request: Request) -> None:
    """Raises ProblemError unless it is a test mode key: a live one has no business here."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    key = value.strip()
    if scheme.lower() == "basic":
        key = _user_of_basic(key)
    if not key:
        raise ProblemError("You did not provide an API key.", status=401)
    if not key.startswith(("sk_test_", "rk_test_")):
        raise ProblemError(f"Invalid API Key provided: {key[:8]}****{key[-4:]}", status=401)


def _user_of_basic(value: str) -> str:
    try:
        return base64.b64decode(value).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _fault(*, stored: bool) -> ProblemError:
    # What is stored would be repeated, and Stripe says so at once.
    headers = {"Stripe-Should-Retry": "false" if stored else "true"}
    return ProblemError("An unknown error occurred", status=500, kind="api_error", headers=headers)


def _refusal(problem: ProblemError, request_id: str) -> Answer:
    headers = {**_JSON, "Request-Id": request_id, **problem.headers}
    return Answer(problem.status, json.dumps(problem.body(), indent=2).encode(), headers)


def _replayed(kept: Json, request_id: str, key: str) -> Answer:
    headers = {
        **_JSON,
        **_names(request_id, key),
        "Idempotent-Replayed": "true",
        "Original-Request": kept["request_id"],
    }
    if kept["status"] >= 500:
        headers["Stripe-Should-Retry"] = "false"
    return Answer(kept["status"], kept["body"].encode(), headers)


def _names(request_id: str, key: str) -> Mapping[str, str]:
    return {"Request-Id": request_id, **({"Idempotency-Key": key} if key else {})}
