"""Where buyers may be sent back to."""

import pytest

from app.domain.return_urls import check_return_url
from app.errors import InvalidInputError


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/thanks?session={CHECKOUT_SESSION_ID}#top",
        "http://localhost:3000/cart",
        "http://192.168.0.7/cart",
        "HTTPS://EXAMPLE.COM/",
        "https://[::1]:8000/",
    ],
)
def test_an_absolute_http_url_is_taken_as_it_is(url: str) -> None:
    check_return_url("successUrl", url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "must not be empty"),
        ("/thanks", "must be an absolute URL that begins with https:// or http://"),
        ("example.com/thanks", "must be an absolute URL that begins with https:// or http://"),
        ("javascript:alert(1)", "must be an absolute URL that begins with https:// or http://"),
        ("ftp://example.com/", "must be an absolute URL that begins with https:// or http://"),
        ("https:///thanks", "must be an absolute URL that begins with https:// or http://"),
        ("https://example.com:0/", "must be an absolute URL that begins with https:// or http://"),
        ("https://example.com:port/", "must be a URL"),
        ("https://[::1/", "must be a URL"),
        ("https://ada:secret@example.com/", "must not hold credentials"),
        ("https://example.com/a b", "must be ASCII without spaces and backslashes: percent-encode what is not"),
        ("https://exämple.com/", "must be ASCII without spaces and backslashes: percent-encode what is not"),
        ("https://example.com/\n", "must not contain control characters (one is at position 20)"),
        ("https://example.com/" + "x" * 2_000, "must have at most 2000 characters, has 2020"),
    ],
)
def test_anything_else_is_refused_and_says_why(url: str, problem: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_return_url("successUrl", url)
    assert refused.value.message == f"successUrl: {problem}"
