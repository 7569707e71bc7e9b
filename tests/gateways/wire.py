"""Requests to the double as bytes, without the SDK."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from app.gateways.stripe_double import StripeDouble


@dataclass(frozen=True)
class Said:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def problem(self) -> tuple[int, str | None, str | None]:
        """Status, code and parameter of an error."""
        error = self.json["error"]
        return self.status, error.get("code"), error.get("param")


def said(
    double: StripeDouble,
    method: str,
    path: str,
    form: dict[str, str] | str | None = None,
    *,
    key: str | None = "sk_test_wire",
    headers: dict[str, str] | None = None,
) -> Said:
    """What the double answers; a form goes into the body of a POST, and behind the path of anything else."""
    content = form if isinstance(form, str) else urlencode(form or {})
    target = f"{path}?{content}" if content and method != "POST" else path
    connection = http.client.HTTPConnection(urlsplit(double.url).netloc, timeout=10)
    sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    try:
        connection.request(method, target, content if method == "POST" else None, sent)
        answer = connection.getresponse()
        return Said(answer.status, dict(answer.headers), answer.read().decode())
    finally:
        connection.close()
