"""What callers read when something goes wrong, and what they never read."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from app import errors
from app.errors import MeterlineError
from app.graphql.context import Context
from app.graphql.engine import cook_engine, resolver
from app.graphql.errors import told


def subclasses(root: type[Any]) -> list[type[Any]]:
    return [root, *(below for child in root.__subclasses__() for below in subclasses(child))]


# `kind` and the like give some classes a signature of their own; every one of them must have a sample here.
SAMPLES = {
    "InvalidInputError": ("input.delta", "must not be 0"),
    **dict.fromkeys(
        [
            "FeatureNotFoundError",
            "PackageNotFoundError",
            "UserNotFoundError",
            "SubscriptionNotFoundError",
            "UsageEventNotFoundError",
            "ReservationNotFoundError",
            "WebhookDeliveryNotFoundError",
            "WebhookEndpointNotFoundError",
            "BillingTemplateNotFoundError",
            "SubscriptionLinkNotFoundError",
            "NotFoundError",
        ],
        (),
    ),
}


@pytest.mark.parametrize("error_class", [c for c in subclasses(MeterlineError) if c.__module__ == errors.__name__])
def test_every_error_of_ours_has_its_code_and_name(error_class):
    error = error_class(*SAMPLES.get(error_class.__name__, ("a message",)))
    answer = told(error)
    if error_class is MeterlineError:
        assert answer["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert answer["message"] == "Internal server error"
        return
    expected = {"AuthenticationError": "UNAUTHENTICATED", "OverloadedError": "OVERLOADED"}
    assert answer["extensions"]["code"] == expected.get(error_class.__name__, "BAD_USER_INPUT") == error_class.code
    assert answer["extensions"]["exception"] == {"name": error_class.__name__, "message": error.message}
    assert answer["message"] == error.message


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (
            "not found",
            {
                "message": "User Id not found for app",
                "locations": [{"line": 1, "column": 2}],
                "path": ["a"],
                "extensions": {
                    "code": "BAD_USER_INPUT",
                    "exception": {"name": "UserNotFoundError", "message": "User Id not found for app"},
                },
            },
        ),
        (
            "invalid",
            {
                "message": "input.delta: must not be 0",
                "locations": [{"line": 1, "column": 2}],
                "path": ["a"],
                "extensions": {
                    "code": "BAD_USER_INPUT",
                    "exception": {"name": "InvalidInputError", "message": "input.delta: must not be 0"},
                    "field": "input.delta",
                },
            },
        ),
        (
            "overloaded",
            {
                "message": "Too many requests are waiting",
                "locations": [{"line": 1, "column": 2}],
                "path": ["a"],
                "extensions": {
                    "code": "OVERLOADED",
                    "exception": {"name": "OverloadedError", "message": "Too many requests are waiting"},
                },
            },
        ),
    ],
)
async def test_an_error_of_ours_is_told_with_its_place(engine, how, expected):
    assert await engine.execute(f'{{a:fail(how:"{how}")}}') == {"data": {"a": None}, "errors": [expected]}


async def test_a_fault_is_logged_with_the_request_id_and_told_without_detail(engine):
    with capture_logs() as logs:
        answer = await engine.execute('{fail(how:"boom")}', None, Context(actor=None, loaders=None, request_id="r-1"))
    assert answer["data"] == {"fail": None}
    assert answer["errors"] == [
        {
            "message": "Internal server error",
            "locations": [{"line": 1, "column": 2}],
            "path": ["fail"],
            "extensions": {
                "code": "INTERNAL_SERVER_ERROR",
                "exception": {"name": "InternalServerError", "message": "Internal server error"},
                "requestId": "r-1",
            },
        }
    ]
    [log] = logs
    assert (log["event"], log["log_level"], log["request_id"]) == ("graphql.fault", "error", "r-1")
    assert str(log["exc_info"]) == "the password is hunter2"


async def test_an_argument_found_wrong_in_execution_has_its_path(engine):
    answer = await engine.execute("query($v:Int=1){a:needs(i:$v) x}", None, None, {"v": None})
    assert answer["data"] == {"a": None, "x": 1}
    [error] = answer["errors"]
    assert error["path"] == ["a"]
    assert error["extensions"]["exception"]["name"] == "GraphQLCoercionError"
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_errors_of_a_request_that_was_not_executed_have_no_path(engine):
    for document in ("{package{nope}}", "{x", "{needs}"):
        assert all("path" not in error for error in (await engine.execute(document))["errors"])


async def test_a_message_is_cut_at_500_characters(engine):
    [error] = (await engine.execute('{fail(how:"long")}'))["errors"]
    assert error["message"] == "name: " + "x" * 493 + "…"
    assert error["extensions"]["exception"]["message"] == error["message"]


async def test_an_answer_holds_at_most_twenty_errors(engine):
    answer = await engine.execute("{package{" + " ".join(f"a{number}" for number in range(30)) + "}}")
    assert len(answer["errors"]) == 20


async def test_an_error_raised_twice_has_each_time_its_own_place(engine):
    for column, document in [(2, "{failHard{id}}"), (5, "{   failHard{id}}")]:
        [error] = (await engine.execute(document))["errors"]
        assert error["locations"] == [{"line": 1, "column": column}]


async def waiting_on_a_cancelled_future(_parent: Any, _arguments: Any, _context: Any, _info: Any) -> int:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future
    return 1


@pytest.mark.parametrize("concurrently", [True, None])
async def test_a_future_that_was_cancelled_is_a_fault_of_its_field_not_its_value(concurrently):
    def register(schema_name: str) -> None:
        resolver(schema_name, "Query.waits", parent_concurrently=concurrently)(waiting_on_a_cancelled_future)

    engine = await cook_engine("type Query { waits: Int }", register)
    with capture_logs() as logs:
        answer = await engine.execute("{waits}")
    assert answer["data"] == {"waits": None}
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert len(logs) == 1


@pytest.mark.parametrize("concurrently", [True, None])
async def test_a_request_that_is_cancelled_ends_as_cancelled(concurrently):
    entered = asyncio.Event()

    def register(schema_name: str) -> None:
        @resolver(schema_name, "Query.waits", parent_concurrently=concurrently)
        async def waits(_parent: Any, _arguments: Any, _context: Any, _info: Any) -> int:
            entered.set()
            await asyncio.Event().wait()
            return 1

    engine = await cook_engine("type Query { waits: Int }", register)
    request = asyncio.create_task(engine.execute("{waits}"))
    await entered.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
