"""The documentation in a browser."""

import re
from html.parser import HTMLParser

import pytest

from app.rest.docs_page import ASSETS, ASSETS_ROUTE
from app.rest.problems import all_problems
from tests.rest.door import Door

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Links(HTMLParser):
    """Every address that a page asks the browser for, and every script that stands in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [value for name in ("src", "href") if (value := given.get(name))]
        self.inline += tag == "style" or (tag == "script" and "src" not in given) or "style" in given


@pytest.mark.parametrize("path", ["/docs", "/docs/problems"])
async def test_a_page_is_open_to_all_and_loads_nothing_from_elsewhere(stranger: Door, path: str) -> None:
    page = await stranger.get(path)

    links = Links(page.text)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert page.headers["cache-control"] == "no-cache"
    assert links.addresses
    assert all(re.match(r"/[^/]", address) for address in links.addresses)
    assert links.inline == 0


async def test_every_address_on_the_pages_answers_and_every_asset_is_on_one(stranger: Door) -> None:
    pages = [await stranger.get("/docs"), await stranger.get("/docs/problems")]
    addresses = {address for page in pages for address in Links(page.text).addresses}

    statuses = {address: (await stranger.get(address)).status_code for address in addresses}

    assert set(statuses.values()) == {200}
    assert addresses == {f"{ASSETS_ROUTE}/{name}" for name in ASSETS} | {"/openapi.json", "/docs"}


@pytest.mark.parametrize(
    ("name", "media_type", "beginning"),
    [
        ("swagger-ui.css", "text/css; charset=utf-8", b".swagger-ui"),
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8", b"/*! For license information"),
        ("favicon-32x32.png", "image/png", b"\x89PNG"),
        ("problems.css", "text/css; charset=utf-8", b"body { font"),
        ("start.js", "text/javascript; charset=utf-8", b"SwaggerUIBundle({"),
    ],
)
async def test_an_asset_may_be_kept_for_good(stranger: Door, name: str, media_type: str, beginning: bytes) -> None:
    asset = await stranger.get(f"{ASSETS_ROUTE}/{name}")

    assert (asset.status_code, asset.headers["content-type"]) == (200, media_type)
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asset.headers["x-content-type-options"] == "nosniff"
    assert asset.content.startswith(beginning)


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js.map", "..%2Fredoc%2Fbundles", "%2Fetc%2Fpasswd", "index.html"])
async def test_no_other_file_can_be_asked_for(stranger: Door, name: str) -> None:
    refused = await stranger.get(f"{ASSETS_ROUTE}/{name}")

    assert (refused.status_code, refused.json()["name"]) == (404, "RouteNotFoundError")


async def test_the_start_script_shows_our_document_and_asks_no_validator(stranger: Door) -> None:
    script = (await stranger.get(f"{ASSETS_ROUTE}/start.js")).text

    assert 'url: "/openapi.json"' in script
    assert "validatorUrl: null" in script
    assert "http" not in script


async def test_every_problem_type_points_to_its_row(stranger: Door, rest: Door) -> None:
    page = (await stranger.get("/docs/problems")).text
    problem = (await rest.get("/v1/users/nobody")).json()

    path, _, anchor = problem["type"].partition("#")
    assert path == "/docs/problems"
    assert f'<tr id="{anchor}">' in page
    assert re.findall(r'<tr id="(\w+)">', page) == sorted(all_problems())


async def test_the_bare_address_leads_to_the_documentation(stranger: Door) -> None:
    answer = await stranger.get("/")

    assert (answer.status_code, answer.headers["location"]) == (302, "/docs")
