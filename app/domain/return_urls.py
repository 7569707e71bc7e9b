"""Where buyers come back to after they have paid, or have not."""

from typing import Final
from urllib.parse import urlsplit

from app.domain.values import check_text
from app.errors import InvalidInputError

URL_MAX_CHARACTERS: Final = 2_000


def check_return_url(field: str, url: str) -> None:
    """An absolute http or https URL without credentials. `{CHECKOUT_SESSION_ID}` in it is the provider's to replace.

    Raises:
        InvalidInputError: names the field.
    """
    check_text(field, url, at_least=1, at_most=URL_MAX_CHARACTERS)
    if not url.isascii() or " " in url or "\\" in url:
        raise InvalidInputError(field, "must be ASCII without spaces and backslashes: percent-encode what is not")
    try:
        parts = urlsplit(url)
        is_usable = bool(parts.hostname) and parts.port != 0  # reading the port checks the number
    except ValueError as problem:
        raise InvalidInputError(field, "must be a URL") from problem
    if parts.scheme not in ("https", "http") or not is_usable:
        raise InvalidInputError(field, "must be an absolute URL that begins with https:// or http://")
    if "@" in parts.netloc:
        raise InvalidInputError(field, "must not hold credentials")
