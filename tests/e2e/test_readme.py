"""The README's quick start, word for word, and what happens to a newcomer's laptop: a crash, a restart, Ctrl-C."""

import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED
from tests.dev.starting import wait_until
from tests.e2e.making import MakeDev
from tests.e2e.readme import fenced, paste, section

pytestmark = pytest.mark.processes


def asked(dev: MakeDev, path: str) -> dict[str, Any]:
    """A REST answer, with the key of `dev.env`."""
    values = dev.values
    answer = httpx.get(
        f"{values['METERLINE_URL']}/v1{path}", headers={"Authorization": values["METERLINE_ADMIN_KEY"]}, trust_env=False
    )
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def say_seconds(what: str, seconds: float) -> None:
    """For `pytest -s`; the time itself is bounded in `wait_until_ready`."""
    sys.stdout.write(f"make dev {what}: ready after {seconds:.1f} s\n")


def test_the_quick_start_does_what_it_says_and_nothing_is_lost_in_a_crash(dev_home: Path) -> None:
    quick_start = section("Quick start")
    start, tests = fenced(quick_start, "sh")
    assert tests == "make test"  # this very run
    recorded, refused = {"recorded": True, "reason": None}, {"recorded": False, "reason": LIMIT_WOULD_BE_EXCEEDED}

    dev = MakeDev(start, dev_home)
    try:
        say_seconds("with an empty home", dev.wait_until_ready())
        curl = dev.curl
        answers = [paste(curl) for _ in range(3)]

        assert [answer["data"]["recordUsage"] for answer in answers] == [recorded, recorded, refused]
        assert json.loads(fenced(quick_start, "json")[0]) == answers[2]
        access = "/users/124/features/api-calls/access"
        assert asked(dev, f"{access}?delta=200")["access"] is True
        assert asked(dev, f"{access}?delta=201")["access"] is False
        values = dev.values
        assert set(values) == {
            "METERLINE_URL",
            "METERLINE_ADMIN_KEY",
            "METERLINE_PUBLIC_KEY",
            "METERLINE_WEBHOOK_SECRET",
            "DATABASE_URL",
            "REDIS_URL",
        }

        assert len(dev.left_running()) >= 9  # make, runner, Postgres, Valkey, web, its worker, worker, its pool, beat
        dev.kill_everything()

        assert dev.left_running() == []
        dev = MakeDev(start, dev_home, dev.port)
        say_seconds("after kill -9 of everything", dev.wait_until_ready())
        assert dev.curl == curl
        assert dev.values == values
        used = asked(dev, "/users/124/features/api-calls/usage")["current"]["consumption"]["used"]
        assert used == 800
        assert paste(curl)["data"]["recordUsage"] == refused

        assert dev.stop() == 0

        assert dev.left_running() == []
        assert not dev.environment_file.exists()
    finally:
        dev.stop()


def test_the_sample_calls_of_the_readme_work(make_dev: MakeDev) -> None:
    first_mutation = section("The first mutation")
    (mutation,) = fenced(first_mutation, "graphql")
    (call,) = fenced(first_mutation, "sh")
    key = make_dev.values["METERLINE_ADMIN_KEY"]

    over_graphql = httpx.post(
        f"{make_dev.url}/graphql", headers={"Authorization": key}, json={"query": mutation}, trust_env=False
    ).json()["data"]["recordUsage"]
    over_rest = paste(make_dev.filled_in(call))

    assert over_graphql["recorded"] is True
    # Both carry the same idempotency key, so the second is the first answer again.
    assert (over_rest["recorded"], over_rest["duplicate"]) == (True, True)
    # REST tells all that there is, GraphQL what was selected.
    assert over_graphql["consumption"].items() <= over_rest["consumption"].items()


def test_the_sample_sale_of_the_readme_is_paid_and_gives_access(make_dev: MakeDev) -> None:
    buyer, link, access = (make_dev.filled_in(call) for call in fenced(section("Sell through Stripe"), "sh"))
    assert paste(buyer)["id"] == "ada"
    page = paste(link)["url"]
    assert paste(access)["access"] is False
    # What the button on the page does.
    httpx.post(page, data={"press": "pay"}, trust_env=False)
    wait_until(lambda: paste(access)["access"] is True)
