"""The processes of the Procfile together, as `make dev` starts them."""

import re

import httpx
import pytest

from tests.dev.starting import wait_until
from tests.e2e.making import MakeDev

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_web_is_alive_and_ready(path: str, make_dev: MakeDev) -> None:
    answer = httpx.get(f"{make_dev.url}{path}", trust_env=False)

    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_a_job_goes_from_web_through_the_broker_to_a_worker_and_its_result_comes_back(make_dev: MakeDev) -> None:
    def answer() -> httpx.Response:
        return httpx.get(f"{make_dev.url}/healthz/worker", timeout=20, trust_env=False)

    # The worker may come up a little after web.
    wait_until(lambda: answer().status_code == httpx.codes.OK)

    assert answer().json() == {"status": "ok", "worker": "ok"}
    assert re.search(r"^worker +\| .*maintenance\.heartbeat", make_dev.output, re.MULTILINE)


@pytest.mark.parametrize("path", ["/docs", "/graphql"])
def test_a_browser_gets_a_page_and_all_that_it_loads_from_here(path: str, make_dev: MakeDev) -> None:
    with httpx.Client(base_url=make_dev.url, headers={"Accept": "text/html,*/*;q=0.8"}, trust_env=False) as browser:
        page = browser.get(path)
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        answers = {address: browser.get(address).status_code for address in loaded}

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert len(answers) >= 3
    assert answers == dict.fromkeys(answers, 200)
    assert all(address.startswith("/") and not address.startswith("//") for address in answers)
