"""Requests that break off or are no text: the caller's matter, answered so by both doors, and never logged as a fault."""

import pytest
from litestar import Litestar

from tests.contract.callers import Caller
from tests.raw import Request, answer_to
from tests.tenants import Tenant


@pytest.mark.parametrize("path", ["/v1/users", "/v1/usage", "/graphql"])
@pytest.mark.parametrize("pieces", [(), (b'{"id": "125", ',)], ids=["before the body", "within the body"])
async def test_a_body_that_breaks_off_is_no_fault_of_ours(
    web: Litestar, tenant: Tenant, capsys: pytest.CaptureFixture[str], path: str, pieces: tuple[bytes, ...]
) -> None:
    headers = [(b"authorization", tenant.secret_key.encode()), (b"content-type", b"application/json")]

    answer = await answer_to(web, Request("POST", path, headers, pieces, cut_short=True))

    assert answer.status == 400
    assert b"body: ended before it was complete" in answer.body
    assert b"BAD_USER_INPUT" in answer.body
    (logged,) = capsys.readouterr().err.splitlines()
    assert "[info     ] http.request" in logged


@pytest.mark.parametrize("path", ["/v1/users", "/graphql"])
async def test_a_body_that_is_not_utf_8_is_malformed(caller: Caller, path: str) -> None:
    body = b'{"id": "\xff", "query": "\xff"}'

    answer = await caller.http.post(path, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    assert "body: " in answer.text
    assert "BAD_USER_INPUT" in answer.text
    assert (await caller.data("{ users { id } }")) == {"users": []}


async def test_a_number_that_python_would_not_read_is_refused_by_both_doors(caller: Caller) -> None:
    number = "9" * 4_301

    error = await caller.refusal(f'mutation {{ createUser(input: {{id: "125", metadata: {number}}}) {{ id }} }}')
    problem = await caller.http.post(
        "/v1/users",
        content=f'{{"id": "125", "metadata": {number}}}',
        headers={"Content-Type": "application/json"},
    )

    assert error["extensions"]["exception"]["name"] == "GraphQLLimitError"
    assert error["message"] == "A number has 4301 characters, at most 4000 are allowed"
    assert (problem.status_code, problem.json()["field"]) == (422, "body")
    assert problem.json()["detail"] == "body: Integer value out of range"
    assert (await caller.data("{ users { id } }")) == {"users": []}


async def test_null_for_a_delta_or_an_action_stands_for_the_default(caller: Caller) -> None:
    await caller.rest("POST", "/features", id="api-calls", type="CONSUMABLE")
    await caller.rest("POST", "/packages", id="pro-plan", features=[{"id": "api-calls"}])
    await caller.rest("POST", "/packages/pro-plan/publish")
    await caller.rest("POST", "/users", id="124")
    await caller.rest("POST", "/subscriptions", userId="124", packageIds=["pro-plan"])

    data = await caller.data(
        """mutation ($delta: Int, $action: RecordUsageAction) {
          recordUsage(input: {userId: "124", featureId: "api-calls", delta: $delta, action: $action}) {
            recorded consumption { used }
          }
          createUsageEvent(input: {userId: "124", featureId: "api-calls", delta: null})
        }""",
        {"delta": None, "action": None},
    )
    allowed = await caller.data('{ canUseFeature(userId: "124", featureId: "api-calls", delta: null) { access } }')

    assert data == {"recordUsage": {"recorded": True, "consumption": {"used": 1}}, "createUsageEvent": True}
    assert allowed == {"canUseFeature": {"access": True}}
