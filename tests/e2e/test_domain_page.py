"""The sample calls of docs/domain.md do what the page says."""

import re
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.dev.starting import wait_until
from tests.e2e.making import MakeDev
from tests.e2e.readme import fenced, paste, section

pytestmark = pytest.mark.processes

PAGE = "docs/domain.md"


def samples(make_dev: MakeDev, heading: str) -> list[str]:
    return [make_dev.filled_in(command) for command in fenced(section(heading, PAGE), "sh")]


def used_and_reserved(answer: dict[str, Any]) -> tuple[int, int]:
    return answer["consumption"]["used"], answer["consumption"]["reserved"]


def test_a_late_event_a_batch_a_revert_and_a_reservation(make_dev: MakeDev) -> None:
    (late,) = samples(make_dev, "Late events")
    (batch,) = samples(make_dev, "Batches")
    (revert,) = samples(make_dev, "Taking back")
    reserve, commit = samples(make_dev, "Reservations")

    told = paste(late)
    assert told["recorded"] is True
    before, _ = used_and_reserved(told)

    results = paste(batch)["results"]
    assert [used_and_reserved(result) for result in results] == [(before + 2, 0), (before + 5, 0)]
    assert [result["duplicate"] for result in paste(batch)["results"]] == [True, True]

    taken_back = paste(revert, EVENT_ID=told["eventId"])
    assert used_and_reserved(taken_back) == (before, 0)
    assert paste(revert, EVENT_ID=told["eventId"])["duplicate"] is True

    made = paste(reserve)
    assert used_and_reserved(made) == (before, 75)
    settled = paste(commit, RESERVATION_ID=made["reservation"]["id"])
    assert used_and_reserved(settled) == (before + 40, 0)


def test_a_trial_and_a_change_at_the_end_of_the_period(make_dev: MakeDev) -> None:
    (try_out,) = samples(make_dev, "Trials")
    (change,) = samples(make_dev, "A change at the period's end")

    (trial,) = paste(try_out)["data"]
    began, ends = (datetime.fromisoformat(trial[field]) for field in ("startedAt", "trialEndsAt"))
    assert (trial["status"], trial["endsAt"], ends - began) == ("TRIALING", None, timedelta(days=14))

    listed = make_dev.filled_in(
        "curl 'http://127.0.0.1:8000/v1/subscriptions?userId=124' -H 'Authorization: Bearer prv_test_…'"
    )
    base = paste(listed)["data"][0]
    assert (base["package"]["id"], base["pendingChange"]) == ("pro-plan", None)
    changed = paste(change, SUBSCRIPTION_ID=base["id"])
    assert (changed["package"]["id"], changed["pendingChange"]["package"]["id"]) == ("pro-plan", "free-trial")
    taken_back = paste(change.replace("free-trial", "pro-plan"), SUBSCRIPTION_ID=base["id"])
    assert taken_back == base


def test_the_call_that_asks_why_works_and_the_page_names_all_that_it_answers(make_dev: MakeDev) -> None:
    (ask,) = samples(make_dev, "Why?")

    answer = paste(ask)

    assert (answer["userId"], answer["featureId"], answer["delta"]) == ("124", "api-calls", 500)
    assert (answer["decision"]["packageId"], answer["decision"]["rule"]) == ("pro-plan", "ONLY_ONE")
    told = set(answer) - {"userId", "featureId", "featureType", "delta", "at"}
    assert told == set(re.findall(r"`(\w+)`:", section("Why?", PAGE)))


def test_a_price_and_a_link_to_pay_by_are_made_by_a_worker_at_the_double_of_stripe(make_dev: MakeDev) -> None:
    (put_price,) = samples(make_dev, "Prices")
    (ask,) = samples(make_dev, "Links to pay by")
    look = make_dev.filled_in(
        "curl http://127.0.0.1:8000/v1/billing-templates/pro-500gbp-year -H 'Authorization: Bearer prv_test_…'"
    )

    assert paste(put_price)["status"] == "PENDING"
    wait_until(lambda: paste(look)["status"] == "ACTIVE")
    link = paste(ask)

    assert (link["status"], link["templateId"]) == ("OPEN", "pro-500gbp-year")
    page = httpx.get(link["url"])
    assert page.status_code == 200
    assert "500.00" in page.text

    # And what the example data sell, to the user that they have.
    addon = paste(ask.replace('{"templateId": "pro-500gbp-year"', '{"userId": "124", "templateId": "messaging-20gbp"'))
    assert (addon["status"], addon["userId"]) == ("OPEN", "124")
