"""Where webhooks may go, as far as a URL tells. Names are resolved, and their addresses judged, when one is sent."""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from app.domain.addresses import is_public
from app.domain.values import check_text
from app.errors import InvalidInputError

URL_MAX_CHARACTERS: Final = 2_000

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE)
# Many systems read 127.1, 2130706433 or 0x7f.1 as addresses. Whoever means one can write it in full.
_NUMBER = re.compile(r"([0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)


def check_webhook_url(field: str, url: str, *, allow_private: bool) -> None:
    """An https URL without credentials and fragment, to a name or a public address.

    With `allow_private` also http, and addresses of private networks and of this machine.

    Raises:
        InvalidInputError: names the field.
    """
    check_text(field, url, at_least=1, at_most=URL_MAX_CHARACTERS)
    if not url.isascii() or " " in url or "\\" in url:
        raise InvalidInputError(field, "must be ASCII without spaces and backslashes: percent-encode what is not")
    parts = _split(field, url)
    schemes = ("https", "http") if allow_private else ("https",)
    if parts.scheme not in schemes:
        raise InvalidInputError(field, f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if "@" in parts.netloc:
        raise InvalidInputError(field, "must not hold credentials: verify the signature instead")
    if "#" in url:
        raise InvalidInputError(field, "must not have a fragment")
    _check_host(field, parts.hostname or "", allow_private=allow_private)


def _split(field: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_usable = parts.port != 0  # reading it checks the number
    except ValueError as problem:
        raise InvalidInputError(field, "must be a URL") from problem
    if not is_usable:
        raise InvalidInputError(field, "must be a URL")
    return parts


def _check_host(field: str, host: str, *, allow_private: bool) -> None:
    if is_address(host):
        if not allow_private and not is_public(host):
            raise InvalidInputError(field, f"must be reachable on the public internet, which {host} is not")
        return
    if not _HOST.fullmatch(host) or _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        raise InvalidInputError(field, "must name a host")
    name = host.lower().rstrip(".")
    if not allow_private and (name == "localhost" or name.endswith(".localhost")):
        raise InvalidInputError(field, f"must be reachable on the public internet, which {host} is not")


def is_address(host: str) -> bool:
    """Whether it is an IP address and not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
