"""The usage operations, asked in the same words at either door."""

from typing import Any, NamedTuple

from tests.contract.callers import Caller

DOORS = ("graphql", "rest")

CONSUMPTION = "{ used budget overageEnabled reserved }"
RECORDED = f"{{ recorded reason eventId duplicate consumption {CONSUMPTION} }}"
RESERVATION = "{ id userId featureId amount status createdAt expiresAt eventId }"
_RESULTS = (
    f"{{ recorded firstRefused results {{ recorded reason eventId duplicate consumption {CONSUMPTION} "
    "error { code name message field } } }"
)
_RESERVED = f"{{ reserved reason duplicate reservation {RESERVATION} consumption {CONSUMPTION} }}"


class Operation(NamedTuple):
    """`variables` and `call` are what a document has around its field; `path` may hold `{id}`."""

    variables: str
    call: str
    method: str
    path: str
    is_query: bool = False


OPERATIONS = {
    "recordUsage": Operation(
        "$input: CreateUsageEventInput!", f"recordUsage(input: $input) {RECORDED}", "POST", "/usage"
    ),
    "recordUsages": Operation(
        "$input: [CreateUsageEventInput!]!, $allOrNothing: Boolean",
        f"recordUsages(input: $input, allOrNothing: $allOrNothing) {_RESULTS}",
        "POST",
        "/usage/batch",
    ),
    "revertUsage": Operation(
        "$id: String!", f"revertUsage(eventId: $id) {RECORDED}", "POST", "/usage/events/{id}/revert"
    ),
    "reserveUsage": Operation(
        "$userId: String!, $featureId: String!, $delta: Int, $ttlSeconds: Int, $idempotencyKey: String",
        "reserveUsage(userId: $userId, featureId: $featureId, delta: $delta, ttlSeconds: $ttlSeconds, "
        f"idempotencyKey: $idempotencyKey) {_RESERVED}",
        "POST",
        "/reservations",
    ),
    "commitReservation": Operation(
        "$id: String!, $delta: Int",
        f"commitReservation(id: $id, delta: $delta) {RECORDED}",
        "POST",
        "/reservations/{id}/commit",
    ),
    "releaseReservation": Operation(
        "$id: String!", f"releaseReservation(id: $id) {RESERVATION}", "POST", "/reservations/{id}/release"
    ),
    "reservation": Operation(
        "$id: String!", f"reservation(id: $id) {RESERVATION}", "GET", "/reservations/{id}", is_query=True
    ),
}


class Refusal(NamedTuple):
    """How a door refuses a call: which error, about which value, in which words. `status` is REST's."""

    name: str
    field: str | None
    message: str
    status: int | None


async def ask(caller: Caller, door: str, name: str, **arguments: Any) -> Any:
    """The answer of the operation, or a Refusal. Arguments go by their GraphQL names; those not given are left out."""
    operation = OPERATIONS[name]
    if door == "graphql":
        return await _over_graphql(caller, operation, arguments)
    return await _over_rest(caller, operation, arguments)


async def _over_graphql(caller: Caller, operation: Operation, arguments: dict[str, Any]) -> Any:
    kind = "query" if operation.is_query else "mutation"
    body = await caller.graphql(f"{kind} ({operation.variables}) {{ answer: {operation.call} }}", arguments)
    if "errors" not in body:
        return body["data"]["answer"]
    (error,) = body["errors"]
    extensions = error["extensions"]
    assert extensions["code"] == "BAD_USER_INPUT"
    return Refusal(extensions["exception"]["name"], extensions.get("field"), error["message"], None)


async def _over_rest(caller: Caller, operation: Operation, arguments: dict[str, Any]) -> Any:
    body = dict(arguments)
    path = operation.path.format(id=body.pop("id", None))
    given = body.pop("input", None)
    body |= {"events": given} if isinstance(given, list) else given or {}
    answer = await caller.http.request(operation.method, f"/v1{path}", json=body or None)
    if answer.is_success:
        return answer.json()
    problem = answer.json()
    assert problem["code"] == "BAD_USER_INPUT"
    return Refusal(problem["name"], problem.get("field"), problem["detail"], answer.status_code)
