"""Where webhooks may go, as far as a URL tells."""

import pytest

from app.domain.webhook_urls import check_webhook_url
from app.errors import InvalidInputError
from tests.domain.test_addresses import PRIVATE, PUBLIC

GOOD = [
    "https://example.com",
    "https://example.com/hooks/meterline?tenant=1&x=%20",
    "https://EXAMPLE.com:8443/",
    "https://xn--mnchen-3ya.example./x",
    "https://my_service.example.com/x",
    "https://1.1.1.1/x",
    "https://[2606:4700:4700::1111]:8443/x",
    f"https://example.com/{'x' * 1980}",
]
NOT_PUBLIC = "must be reachable on the public internet"
BAD = [
    ("http://example.com/", "must begin with https://"),
    ("ftp://example.com/", "must begin with https://"),
    ("example.com/hook", "must begin with https://"),
    ("//example.com/hook", "must begin with https://"),
    ("", "must not be empty"),
    (f"https://example.com/{'x' * 1981}", "must have at most 2000 characters, has 2001"),
    ("https://user:secret@example.com/", "must not hold credentials"),
    ("https://user@example.com/", "must not hold credentials"),
    ("https://@example.com/", "must not hold credentials"),
    ("https://example.com/#there", "must not have a fragment"),
    ("https://example.com/#", "must not have a fragment"),
    ("https://example.com/a b", "must be ASCII without spaces"),
    ("https://münchen.example/", "must be ASCII without spaces"),
    ("https://example.com\\@127.0.0.1/", "must be ASCII without spaces"),
    ("https://example.com/\n", "must not contain control characters"),
    ("https:///hook", "must name a host"),
    ("https://exa$mple.com/", "must name a host"),
    ("https://example..com/", "must name a host"),
    (f"https://{'a' * 64}.com/", "must name a host"),
    ("https://127.1/", "must name a host"),
    ("https://2130706433/", "must name a host"),
    ("https://0x7f.0.0.1/", "must name a host"),
    ("https://0x7f000001/", "must name a host"),
    ("https://0177.0.0.1/", "must name a host"),
    ("https://127.0.0.1./", "must name a host"),
    ("https://example.com:99999/", "must be a URL"),
    ("https://example.com:0/", "must be a URL"),
    ("https://example.com:x/", "must be a URL"),
    ("https://[::1/", "must be a URL"),
    ("https://localhost/", NOT_PUBLIC),
    ("https://LOCALHOST./", NOT_PUBLIC),
    ("https://meter.localhost/", NOT_PUBLIC),
]


@pytest.mark.parametrize("url", GOOD)
def test_urls_that_webhooks_can_go_to(url: str) -> None:
    check_webhook_url("url", url, allow_private=False)


@pytest.mark.parametrize(("url", "problem"), BAD)
def test_urls_that_are_refused(url: str, problem: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_webhook_url("url", url, allow_private=False)
    assert refused.value.field == "url"
    assert refused.value.problem.startswith(problem)


def in_url(address: str) -> str:
    return f"[{address.partition('%')[0]}]" if ":" in address else address


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_inside_are_refused_unless_they_are_allowed(address: str) -> None:
    with pytest.raises(InvalidInputError, match=NOT_PUBLIC):
        check_webhook_url("url", f"https://{in_url(address)}:8443/hook", allow_private=False)
    check_webhook_url("url", f"http://{in_url(address)}:8443/hook", allow_private=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_not(address: str) -> None:
    check_webhook_url("url", f"https://{in_url(address)}/hook", allow_private=False)


def test_what_is_allowed_inside_still_has_its_form() -> None:
    check_webhook_url("url", "http://localhost:3000/hook", allow_private=True)
    with pytest.raises(InvalidInputError, match="must begin with https:// or http://"):
        check_webhook_url("url", "file:///etc/passwd", allow_private=True)
