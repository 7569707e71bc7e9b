"""What a line of the log looks like, in production."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from app import logs
from tests.environment import environment


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, ours = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:], root.level = handlers, level
    structlog.configure(**ours)


def configured(level: str, environment_name: str = "production") -> Any:
    with environment(METERLINE_ENV=environment_name, SECRET_KEY="s" * 32, LOG_LEVEL=level):
        logs.configure()
    return structlog.get_logger("app.shop")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_json_with_the_facts_and_the_request_they_belong_to(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured("INFO")
    bound = logs.request_id.set("r-1")

    log.info("shop.opened", user_id="bü", count=3)

    logs.request_id.reset(bound)
    (line,) = lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("timestamp"))
    assert line == {
        "event": "shop.opened",
        "level": "info",
        "logger": "app.shop",
        "request_id": "r-1",
        "user_id": "bü",
        "count": 3,
    }


def test_libraries_lines_look_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configured("INFO")

    logging.getLogger("some.library").warning("it is %s", "late", extra={"seconds": 3})

    (line,) = lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("timestamp"))
    assert line == {"event": "it is late", "level": "warning", "logger": "some.library", "seconds": 3}


@pytest.mark.parametrize(("level", "expected"), [("INFO", ["info", "error"]), ("WARNING", ["error"])])
def test_below_the_level_nothing_is_written(
    capsys: pytest.CaptureFixture[str], level: str, expected: list[str]
) -> None:
    log = configured(level)

    log.debug("a")
    log.info("b")
    log.error("c")

    assert [line["level"] for line in lines(capsys)] == expected
    assert log.is_enabled_for(logging.INFO) == ("info" in expected)


def test_a_fault_has_its_traceback_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured("INFO")
    try:
        raise ZeroDivisionError("never")
    except ZeroDivisionError as error:
        log.error("shop.failed", exc_info=error)

    (line,) = lines(capsys)
    assert line["exception"].startswith("Traceback (most recent call last):")
    assert line["exception"].endswith("ZeroDivisionError: never")


@pytest.mark.parametrize("value", ["half \ud800 a pair", 2**80, {"a": {1, 2}}, b"bytes"])
def test_no_line_is_lost_for_what_it_holds(capsys: pytest.CaptureFixture[str], value: Any) -> None:
    configured("INFO").info("shop.opened", value=value)

    (line,) = lines(capsys)
    assert line["event"] == "shop.opened"
    assert "value" in line


def test_nothing_that_a_line_holds_can_start_another(capsys: pytest.CaptureFixture[str]) -> None:
    configured("INFO").info("shop.opened", value='x\n{"event": "forged"}\r\u2028')

    assert len(capsys.readouterr().err.rstrip("\n").split("\n")) == 1
